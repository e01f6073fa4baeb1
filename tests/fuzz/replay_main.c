/* replay_main.c - runs a fuzz target over every file of the corpus directories given as arguments, under any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return perror(path), 1;
    static uint8_t data[1 << 20];
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);

    /* An exact copy, so that AddressSanitizer sees a read past the end. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        abort();
    for (size_t i = 0; i < size; i++)
        exact[i] = data[i];
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    int files = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir)
            return perror(argv[i]), 1;
        for (struct dirent *entry; (entry = readdir(dir));) {
            if (entry->d_name[0] == '.')
                continue;
            char path[4096];
            if ((size_t)snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name) >= sizeof path)
                return fprintf(stderr, "%s: path too long\n", entry->d_name), 1;
            failed += replay_file(path);
            files++;
        }
        closedir(dir);
    }
    printf("replayed %d files\n", files);
    return failed || files == 0;
}
