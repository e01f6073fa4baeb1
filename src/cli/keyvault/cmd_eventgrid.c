/* cmd_eventgrid.c - subscriptions to the events of vaults, through Resource Manager. */
#include "base/encode.h"
#include "cli/call.h"
#include "cli/input.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

#define EVENTS_VERSION "2022-06-15"

/* ID/providers/Microsoft.EventGrid/eventSubscriptions[/NAME][/ACTION]. */
static bool events_url(Cli *cli, Str name, const char *action, Str *url, Err *err)
{
    Str source = arg(cli, "--source-resource-id");

    if (!str_starts(source, STR("/subscriptions/")))
        return cli_usage(cli, err, "--source-resource-id: '" STR_FMT "' is no resource id; `vy keyvault show -n VAULT --query id` prints a vault's", STR_ARG(source));
    *url = arm_url(cli, str_printf(cli->arena, STR_FMT "/providers/Microsoft.EventGrid/eventSubscriptions%s" STR_FMT "%s", STR_ARG(source), name.ptr ? "/" : "",
                                   STR_ARG(name.ptr ? percent_encode(cli->arena, name) : STR("")), action), EVENTS_VERSION);
    return true;
}

static void put_list(Cli *cli, JsonWriter *w, const char *option, const char *member)
{
    const char *const *values;
    size_t count = arg_list(cli, option, &values);

    json_open_array(w, member);
    for (size_t i = 0; i < count; i++)
        json_put_str(w, NULL, str_from(values[i]));
    json_close_array(w);
}

static bool put_number(Cli *cli, JsonWriter *w, const char *option, const char *member, int64_t max, Err *err)
{
    Str text = arg(cli, option);
    int64_t number;

    if (!text.ptr)
        return true;
    if (!str_to_int64(text, 1, max, &number, &(Err){ 0 }))
        return cli_usage(cli, err, "%s: '" STR_FMT "' is no number from 1 to %lld", option, STR_ARG(text), (long long)max);
    json_put_int(w, member, number);
    return true;
}

static void put_destination(Cli *cli, JsonWriter *w)
{
    json_open(w, "destination");
    json_put_str(w, "endpointType", STR("WebHook"));
    json_open(w, "properties");
    json_put_str(w, "endpointUrl", arg(cli, "--endpoint"));
    json_close(w);
    json_close(w);
}

static void put_filter(Cli *cli, JsonWriter *w)
{
    json_open(w, "filter");
    if (arg_given(cli, "--included-event-types"))
        put_list(cli, w, "--included-event-types", "includedEventTypes");
    json_put_str(w, "subjectBeginsWith", arg(cli, "--subject-begins-with"));
    json_put_str(w, "subjectEndsWith", arg(cli, "--subject-ends-with"));
    if (arg_flag(cli, "--subject-case-sensitive"))
        json_put_bool(w, "isSubjectCaseSensitive", true);
    json_close(w);
}

static bool check_kind(Cli *cli, Err *err)
{
    Str type = arg(cli, "--endpoint-type"), schema = arg(cli, "--event-delivery-schema");

    if (type.ptr && !str_eq_nocase(type, STR("webhook")))
        return cli_usage(cli, err, "--endpoint-type: events are delivered to a webhook alone");
    if (schema.ptr && !str_eq_nocase(schema, STR("cloudeventschemav1_0")))
        return cli_usage(cli, err, "--event-delivery-schema: events are delivered as cloudeventschemav1_0 alone");
    return true;
}

bool run_event_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str url;

    if (!cli_profile(cli, err) || !check_kind(cli, err) || !events_url(cli, arg(cli, "--name"), "", &url, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open(&body.w, "properties");
    put_destination(cli, &body.w);
    json_put_str(&body.w, "eventDeliverySchema", STR("CloudEventSchemaV1_0"));
    put_filter(cli, &body.w);
    put_list(cli, &body.w, "--labels", "labels");
    json_open(&body.w, "retryPolicy");
    if (!put_number(cli, &body.w, "--max-delivery-attempts", "maxDeliveryAttempts", 30, err) || !put_number(cli, &body.w, "--event-ttl", "eventTimeToLiveInMinutes", 1440, err))
        return false;
    json_close(&body.w);
    json_close(&body.w);
    json_close(&body.w);
    return body_send(cli, "PUT", to_arm(cli), url, &body, shape_resource, err);
}

bool run_event_update(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str url;

    if (!cli_profile(cli, err) || !events_url(cli, arg(cli, "--name"), "", &url, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    if (arg_given(cli, "--endpoint"))
        put_destination(cli, &body.w);
    if (arg_given(cli, "--included-event-types") || arg_given(cli, "--subject-begins-with") || arg_given(cli, "--subject-ends-with") || arg_given(cli, "--subject-case-sensitive"))
        put_filter(cli, &body.w);
    if (arg_given(cli, "--labels"))
        put_list(cli, &body.w, "--labels", "labels");
    json_close(&body.w);
    return body_send(cli, "PATCH", to_arm(cli), url, &body, shape_resource, err);
}

bool run_event_show(Cli *cli, Err *err)
{
    Str url, full;
    Answer answer;

    if (!cli_profile(cli, err) || !events_url(cli, arg(cli, "--name"), "", &url, err))
        return false;
    if (arg_flag(cli, "--include-full-endpoint-url")) {
        if (!events_url(cli, arg(cli, "--name"), "/getFullUrl", &full, err) || !call_service(cli, "POST", to_arm(cli), full, STR(""), &answer, err))
            return false;
        json_put_value(&cli->w, NULL, answer.json);
        return true;
    }
    return call_shown(cli, "GET", to_arm(cli), url, STR_NONE, shape_resource, err);
}

bool run_event_list(Cli *cli, Err *err)
{
    Str url;

    return cli_profile(cli, err) && events_url(cli, STR_NONE, "", &url, err) && call_list(cli, to_arm(cli), url, shape_resource, err);
}

bool run_event_delete(Cli *cli, Err *err)
{
    Str url;
    Answer answer;

    return cli_profile(cli, err) && events_url(cli, arg(cli, "--name"), "", &url, err) && call_service(cli, "DELETE", to_arm(cli), url, STR_NONE, &answer, err);
}
