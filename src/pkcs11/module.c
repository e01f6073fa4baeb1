/* module.c - see module.h. */
#include "pkcs11/module.h"
#include <dlfcn.h>
#include <stdlib.h>

#define CODE(name) { name, #name }
static const struct { CK_RV rv; const char *name; } codes[] = {
    CODE(CKR_OK), CODE(CKR_HOST_MEMORY), CODE(CKR_SLOT_ID_INVALID), CODE(CKR_GENERAL_ERROR), CODE(CKR_FUNCTION_FAILED), CODE(CKR_ARGUMENTS_BAD),
    CODE(CKR_CANT_LOCK), CODE(CKR_ATTRIBUTE_READ_ONLY), CODE(CKR_ATTRIBUTE_SENSITIVE), CODE(CKR_ATTRIBUTE_TYPE_INVALID), CODE(CKR_ATTRIBUTE_VALUE_INVALID),
    CODE(CKR_DATA_INVALID), CODE(CKR_DATA_LEN_RANGE), CODE(CKR_DEVICE_ERROR), CODE(CKR_DEVICE_MEMORY), CODE(CKR_DEVICE_REMOVED),
    CODE(CKR_ENCRYPTED_DATA_INVALID), CODE(CKR_ENCRYPTED_DATA_LEN_RANGE), CODE(CKR_FUNCTION_NOT_SUPPORTED), CODE(CKR_KEY_HANDLE_INVALID), CODE(CKR_KEY_SIZE_RANGE),
    CODE(CKR_KEY_TYPE_INCONSISTENT), CODE(CKR_KEY_FUNCTION_NOT_PERMITTED), CODE(CKR_KEY_NOT_WRAPPABLE), CODE(CKR_KEY_UNEXTRACTABLE), CODE(CKR_MECHANISM_INVALID),
    CODE(CKR_MECHANISM_PARAM_INVALID), CODE(CKR_OBJECT_HANDLE_INVALID), CODE(CKR_OPERATION_ACTIVE), CODE(CKR_OPERATION_NOT_INITIALIZED), CODE(CKR_PIN_INCORRECT),
    CODE(CKR_PIN_INVALID), CODE(CKR_PIN_LEN_RANGE), CODE(CKR_PIN_EXPIRED), CODE(CKR_PIN_LOCKED), CODE(CKR_SESSION_CLOSED), CODE(CKR_SESSION_COUNT),
    CODE(CKR_SESSION_HANDLE_INVALID), CODE(CKR_SESSION_READ_ONLY), CODE(CKR_TEMPLATE_INCOMPLETE), CODE(CKR_TEMPLATE_INCONSISTENT), CODE(CKR_TOKEN_NOT_PRESENT),
    CODE(CKR_TOKEN_NOT_RECOGNIZED), CODE(CKR_TOKEN_WRITE_PROTECTED), CODE(CKR_USER_ALREADY_LOGGED_IN), CODE(CKR_USER_NOT_LOGGED_IN), CODE(CKR_USER_PIN_NOT_INITIALIZED),
    CODE(CKR_WRAPPED_KEY_INVALID), CODE(CKR_WRAPPED_KEY_LEN_RANGE), CODE(CKR_BUFFER_TOO_SMALL), CODE(CKR_CRYPTOKI_NOT_INITIALIZED), CODE(CKR_CRYPTOKI_ALREADY_INITIALIZED),
    CODE(CKR_CURVE_NOT_SUPPORTED), CODE(CKR_DOMAIN_PARAMS_INVALID), CODE(CKR_UNWRAPPING_KEY_HANDLE_INVALID), CODE(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT),
    CODE(CKR_WRAPPING_KEY_HANDLE_INVALID), CODE(CKR_ACTION_PROHIBITED),
};

const char *module_code(CK_RV rv)
{
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i].rv == rv)
            return codes[i].name;
    return "CKR_?";
}

bool module_is_lost(CK_RV rv)
{
    static const CK_RV lost[] = { CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED, CKR_SLOT_ID_INVALID, CKR_SESSION_CLOSED,
                                  CKR_SESSION_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN, CKR_CRYPTOKI_NOT_INITIALIZED };
    for (size_t i = 0; i < COUNT_OF(lost); i++)
        if (lost[i] == rv)
            return true;
    return false;
}

bool module_load(const char *path, Module *out, Err *err)
{
    Module module = { .path = strdup(path) };
    CK_C_GetFunctionList list = NULL;
    if (!module.path)
        return err_set(err, ERR_INTERNAL, "out of memory for a PKCS#11 module");
    module.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module.library) {
        const char *why = dlerror();
        free(module.path);
        return err_set(err, ERR_BAD_INPUT, "the PKCS#11 module cannot be loaded: %s", why ? why : path);
    }
    *(void **)&list = dlsym(module.library, "C_GetFunctionList");      /* POSIX dlsym: a function as a pointer to data */
    if (!list || list(&module.fn) != CKR_OK || !module.fn || module.fn->version.major != 2) {
        (void)err_set(err, ERR_BAD_INPUT, "%s is no PKCS#11 module: it has no C_GetFunctionList of version 2", path);
        module_unload(&module);
        return false;
    }
    *out = module;
    return true;
}

void module_unload(Module *module)
{
    if (module->library)
        (void)dlclose(module->library);
    free(module->path);
    *module = (Module){ 0 };
}

CK_RV module_restart(const Module *module)
{
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    (void)module->fn->C_Finalize(NULL);         /* fine if it was not initialised */
    CK_RV rv = module->fn->C_Initialize(&args);
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}
