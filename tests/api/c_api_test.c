/* Proves that the header is C11, and that the C API keeps its promises from C: a model end to end, NULLs, struct
 * sizes, destruction in any order, error texts, tensors on disk, single operators. Argument: a folder to write to. */
#include <gramian/gramian.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
/* Drivers leave a few allocations behind; once unloaded their frames have no names to suppress. */
int dlclose(void* handle);
int dlclose(void* handle)
{
    (void)handle;
    return 0;
}
#endif

static int failures = 0;
static char model_path[1024];
static char tensors_path[1024];

static void check_at(int line, int holds, const char* what)
{
    if (holds) return;
    ++failures;
    printf("c_api_test.c:%d: %s (last error: %s)\n", line, what, gramian_last_error());
}
#define CHECK(condition) check_at(__LINE__, (condition) ? 1 : 0, #condition)

static void refused_at(int line, gramian_status expected, gramian_status found, const char* words)
{
    if (expected == found && strstr(gramian_last_error(), words)) return;
    ++failures;
    printf("c_api_test.c:%d: expected %s with '%s', found %s with '%s'\n", line, gramian_status_text(expected), words,
           gramian_status_text(found), gramian_last_error());
}
#define REFUSED(status, words, call) refused_at(__LINE__, status, call, words)

static const char* environment(const char* name, const char* otherwise)
{
    const char* value = getenv(name);
    return value && *value ? value : otherwise;
}

static gramian_device* open_device(void)
{
    gramian_device_options options = gramian_device_options_default();
    gramian_device* device = NULL;
    options.selector = environment("GRAMIAN_DEVICE", "0");
    options.limits = strcmp(environment("GRAMIAN_LIMITS", "device"), "minimum") == 0 ? GRAMIAN_LIMITS_MINIMUM
                                                                                     : GRAMIAN_LIMITS_DEVICE;
    options.validation = strcmp(environment("GRAMIAN_VALIDATION", "0"), "1") == 0;
    if (gramian_device_open(&options, &device) != GRAMIAN_OK) {
        printf("no device to test: %s\n", gramian_last_error());
        exit(1);
    }
    return device;
}

/* observation [3] and target [1]; keys are the observation itself, doubled by a weight. */
static const char kDescription[] =
    "{\"version\":1,\"name\":\"from-c\",\"inputs\":[{\"name\":\"observation\",\"size\":3},"
    "{\"name\":\"target\",\"size\":1,\"context\":true}],\"outputs\":[{\"name\":\"action\",\"size\":1}],\"nodes\":["
    "{\"op\":\"linear\",\"in\":[\"observation\"],\"out\":[\"key\"],\"weights\":{\"weight\":\"w\"}},"
    "{\"op\":\"intention\",\"in\":{\"q\":\"key\",\"k\":\"key\",\"v\":\"target\"},\"out\":[\"action\"],"
    "\"attributes\":{\"alpha\":1e-3}}]}";

static void write_model(void)
{
    const uint64_t shape[2] = {3, 3};
    const float weight[9] = {2, 0, 0, 0, 2, 0, 0, 0, 2};
    gramian_tensors* file = NULL;
    CHECK(gramian_tensors_create(&file) == GRAMIAN_OK);
    CHECK(gramian_tensors_add(file, "w", shape, 2, weight) == GRAMIAN_OK);
    CHECK(gramian_tensors_set_text(file, "gramian.model", kDescription) == GRAMIAN_OK);
    CHECK(gramian_tensors_save(file, model_path) == GRAMIAN_OK);
    gramian_tensors_destroy(file);
}

/* Shows y = x0 - 2 x1 + 0.5 x2 to stream `stream`. */
static gramian_status teach(gramian_session* session, uint32_t stream)
{
    float x[3 * 20];
    float y[20];
    const float* inputs[2];
    const uint32_t count = 20;
    for (int t = 0; t < 20; ++t) {
        for (int i = 0; i < 3; ++i) x[3 * t + i] = (float)((7 * t + 5 * i * i + t * t * (i + 1)) % 13) / 6.0f - 1.0f;
        y[t] = x[3 * t] - 2 * x[3 * t + 1] + 0.5f * x[3 * t + 2];
    }
    inputs[0] = x;
    inputs[1] = y;
    return gramian_session_observe(session, &stream, &count, 1, inputs);
}

static void test_end_to_end(void)
{
    gramian_device* device = open_device();
    gramian_device_info device_info;
    gramian_model* model = NULL;
    gramian_session_options options = gramian_session_options_default();
    gramian_session* session = NULL;
    gramian_session_info info;
    gramian_solve_report reports[2];
    gramian_tensors* statistics = NULL;
    gramian_tensors* problems = NULL;
    gramian_tensor_view view;
    const uint32_t streams[2] = {1, 0};
    const float x[6] = {1, 2, 3, 1, 2, 3};
    float y[2] = {-1, -1};
    float again[2];
    const float* in = x;
    float* out = y;

    memset(&device_info, 0, sizeof device_info);
    device_info.size = sizeof device_info;
    CHECK(gramian_device_get_info(device, &device_info) == GRAMIAN_OK);
    CHECK(device_info.size == sizeof device_info && device_info.name[0] && device_info.max_push_bytes >= 128);
    printf("device: %s (%s)\n", device_info.name, device_info.driver);

    CHECK(gramian_model_load(device, model_path, &model) == GRAMIAN_OK);
    CHECK(strstr(gramian_model_json(model), "\"name\":\"from-c\"") != NULL);
    CHECK(strstr(gramian_model_json(model), "\"parameter_count\":9") != NULL);
    CHECK(strstr(gramian_model_json(model), "\"has_context\":true") != NULL);
    options.streams = 2;
    options.profile = 1;
    CHECK(gramian_session_create(model, &options, &session) == GRAMIAN_OK);
    CHECK(teach(session, 1) == GRAMIAN_OK);
    memset(reports, 0, sizeof reports);
    reports[0].size = sizeof reports[0];
    CHECK(gramian_session_solve(session, streams, 2, reports) == GRAMIAN_OK);
    CHECK(reports[0].status == GRAMIAN_SOLVED && reports[0].retries == 0 && reports[0].size == sizeof reports[0]);
    CHECK(fabsf(reports[0].alpha - 1e-3f) < 1e-6f && reports[0].min_pivot > 0 && reports[0].residual < 1e-3f);
    CHECK(reports[1].status == GRAMIAN_SOLVE_NO_DATA);
    CHECK(gramian_session_get_reports(session, 1, &problems) == GRAMIAN_OK);
    view.size = sizeof view;
    CHECK(gramian_tensors_find(problems, "action.report", &view) == GRAMIAN_OK);
    CHECK(view.shape[0] == 1 && view.shape[1] == 5 && view.values[0] == reports[0].min_pivot);
    CHECK(view.values[1] == reports[0].alpha && view.values[2] == 0 && view.values[4] == GRAMIAN_SOLVED);
    gramian_tensors_destroy(problems);
    CHECK(gramian_session_solve(session, streams, 2, NULL) == GRAMIAN_OK);

    CHECK(gramian_session_step(session, &in, &out) == GRAMIAN_OK);
    CHECK(y[0] == 0.0f);                         /* was shown nothing: exactly 0 */
    CHECK(fabsf(y[1] - (1 - 4 + 1.5f)) < 1e-2f); /* the law, up to a ridge of 1e-3 */
    out = again;
    CHECK(gramian_session_submit(session, &in) == GRAMIAN_OK);
    REFUSED(GRAMIAN_INVALID_ARGUMENT, "submitted", gramian_session_submit(session, &in));
    CHECK(gramian_session_wait(session, &out) == GRAMIAN_OK);
    CHECK(memcmp(y, again, sizeof y) == 0);

    memset(&info, 0, sizeof info);
    info.size = sizeof info;
    CHECK(gramian_session_get_info(session, &info) == GRAMIAN_OK);
    CHECK(info.streams == 2 && info.submissions == 5 && info.step_dispatches == 2 && info.state_bytes > 0);
    CHECK(gramian_session_profile_json(session)[0] == '[');

    /* Stream 0 is given what stream 1 was shown: the same answer. */
    CHECK(gramian_session_get_statistics(session, 1, &statistics) == GRAMIAN_OK);
    CHECK(gramian_tensors_count(statistics) == 3);
    CHECK(gramian_session_add_statistics(session, 0, statistics, 1) == GRAMIAN_OK);
    CHECK(gramian_session_solve(session, streams, 2, NULL) == GRAMIAN_OK);
    CHECK(gramian_session_step(session, &in, &out) == GRAMIAN_OK);
    CHECK(again[0] == y[1] && again[1] == y[1]);

    /* Two halves make the whole; taken away again nothing is left. */
    CHECK(gramian_session_add_statistics(session, 0, statistics, -1) == GRAMIAN_OK);
    CHECK(gramian_session_solve(session, streams, 2, reports) == GRAMIAN_OK);
    CHECK(reports[0].status == GRAMIAN_SOLVED && reports[1].status == GRAMIAN_SOLVE_NO_DATA);
    CHECK(gramian_session_step(session, &in, &out) == GRAMIAN_OK);
    CHECK(again[0] == 0.0f && again[1] == y[1]);
    CHECK(gramian_session_add_statistics(session, 0, statistics, 0.5f) == GRAMIAN_OK);
    CHECK(gramian_session_add_statistics(session, 0, statistics, 0.5f) == GRAMIAN_OK);
    CHECK(gramian_session_solve(session, streams, 2, reports) == GRAMIAN_OK);
    CHECK(gramian_session_step(session, &in, &out) == GRAMIAN_OK);
    CHECK(again[0] == y[1] && reports[1].min_pivot == reports[0].min_pivot);
    gramian_tensors_destroy(statistics);

    CHECK(gramian_session_reset(session, NULL, 0) == GRAMIAN_OK);
    CHECK(gramian_session_step(session, &in, &out) == GRAMIAN_OK);
    CHECK(again[0] == 0.0f && again[1] == 0.0f);

    /* In the order that a careless caller would use: what is still needed lives on. */
    gramian_device_destroy(device);
    gramian_model_destroy(model);
    CHECK(teach(session, 0) == GRAMIAN_OK);
    CHECK(gramian_session_solve(session, streams, 2, NULL) == GRAMIAN_OK);
    CHECK(gramian_session_step(session, &in, &out) == GRAMIAN_OK);
    CHECK(memcmp(&again[0], &y[1], sizeof y[1]) == 0);
    CHECK(gramian_session_submit(session, &in) == GRAMIAN_OK);
    gramian_session_destroy(session);
}

static void test_nulls(void)
{
    gramian_device* device = open_device();
    gramian_model* model = NULL;
    gramian_session* session = NULL;
    gramian_tensors* tensors = NULL;
    gramian_tensors* outputs = NULL;
    gramian_tensor_view view;
    uint32_t count = 0;
    size_t bytes = 0;
    const float x[6] = {0, 0, 0, 0, 0, 0};
    float y[2];
    const float* in = x;
    float* out = y;
    const float* null_in = NULL;
    float* null_out = NULL;
    const uint32_t stream = 0;
    const uint64_t shape[1] = {6};
    const gramian_status bad = GRAMIAN_INVALID_ARGUMENT;

    gramian_device_destroy(NULL);
    gramian_model_destroy(NULL);
    gramian_session_destroy(NULL);
    gramian_tensors_destroy(NULL);
    CHECK(gramian_model_json(NULL)[0] == 0);
    CHECK(strcmp(gramian_session_profile_json(NULL), "[]") == 0);
    CHECK(gramian_tensors_count(NULL) == 0);
    CHECK(gramian_tensors_get_text(NULL, "x") == NULL);

    REFUSED(bad, "count is NULL", gramian_device_list(NULL, NULL));
    REFUSED(bad, "device is NULL", gramian_device_open(NULL, NULL));
    REFUSED(bad, "device is NULL", gramian_device_get_info(NULL, NULL));
    REFUSED(bad, "NULL", gramian_device_get_info(device, NULL));
    REFUSED(bad, "device is NULL", gramian_device_pipeline_cache(NULL, NULL, &bytes));
    REFUSED(bad, "bytes is NULL", gramian_device_pipeline_cache(device, NULL, NULL));
    REFUSED(bad, "device is NULL", gramian_model_load(NULL, model_path, &model));
    REFUSED(bad, "path is NULL", gramian_model_load(device, NULL, &model));
    REFUSED(bad, "model is NULL", gramian_model_load(device, model_path, NULL));
    REFUSED(bad, "bytes is NULL", gramian_model_parse(device, NULL, 0, "x", &model));
    REFUSED(bad, "model is NULL", gramian_session_create(NULL, NULL, &session));
    CHECK(model == NULL && session == NULL);
    CHECK(gramian_model_load(device, model_path, &model) == GRAMIAN_OK);
    REFUSED(bad, "session is NULL", gramian_session_create(model, NULL, NULL));
    CHECK(gramian_session_create(model, NULL, &session) == GRAMIAN_OK); /* default options: one stream */

    REFUSED(bad, "session is NULL", gramian_session_get_info(NULL, NULL));
    REFUSED(bad, "NULL", gramian_session_get_info(session, NULL));
    REFUSED(bad, "session is NULL", gramian_session_step(NULL, &in, &out));
    REFUSED(bad, "inputs is NULL", gramian_session_step(session, NULL, &out));
    REFUSED(bad, "an input is NULL", gramian_session_step(session, &null_in, &out));
    REFUSED(bad, "outputs is NULL", gramian_session_step(session, &in, NULL));
    REFUSED(bad, "an output is NULL", gramian_session_step(session, &in, &null_out));
    REFUSED(bad, "session is NULL", gramian_session_submit(NULL, &in));
    REFUSED(bad, "inputs is NULL", gramian_session_submit(session, NULL));
    REFUSED(bad, "session is NULL", gramian_session_wait(NULL, &out));
    REFUSED(bad, "session is NULL", gramian_session_observe(NULL, &stream, &stream, 1, &in));
    REFUSED(bad, "streams is NULL", gramian_session_observe(session, NULL, &stream, 1, &in));
    REFUSED(bad, "counts is NULL", gramian_session_observe(session, &stream, NULL, 1, &in));
    REFUSED(bad, "inputs is NULL", gramian_session_observe(session, &stream, &stream, 1, NULL));
    CHECK(gramian_session_observe(session, NULL, NULL, 0, NULL) == GRAMIAN_OK);
    REFUSED(bad, "session is NULL", gramian_session_solve(NULL, &stream, 1, NULL));
    REFUSED(bad, "streams is NULL", gramian_session_solve(session, NULL, 1, NULL));
    CHECK(gramian_session_solve(session, NULL, 0, NULL) == GRAMIAN_OK);
    REFUSED(bad, "session is NULL", gramian_session_reset(NULL, NULL, 0));
    REFUSED(bad, "session is NULL", gramian_session_get_statistics(NULL, 0, &outputs));
    REFUSED(bad, "statistics is NULL", gramian_session_get_statistics(session, 0, NULL));
    REFUSED(bad, "session is NULL", gramian_session_add_statistics(NULL, 0, tensors, 1));
    REFUSED(bad, "statistics is NULL", gramian_session_add_statistics(session, 0, NULL, 1));
    CHECK(gramian_session_step(session, &in, &out) == GRAMIAN_OK); /* all of that left it usable */

    REFUSED(bad, "tensors is NULL", gramian_tensors_create(NULL));
    CHECK(gramian_tensors_create(&tensors) == GRAMIAN_OK);
    REFUSED(bad, "tensors is NULL", gramian_tensors_add(NULL, "x", shape, 1, x));
    REFUSED(bad, "name is NULL", gramian_tensors_add(tensors, NULL, shape, 1, x));
    REFUSED(bad, "shape is NULL", gramian_tensors_add(tensors, "x", NULL, 1, x));
    REFUSED(bad, "values is NULL", gramian_tensors_add(tensors, "x", shape, 1, NULL));
    REFUSED(bad, "key is NULL", gramian_tensors_set_text(tensors, NULL, "x"));
    REFUSED(bad, "text is NULL", gramian_tensors_set_text(tensors, "x", NULL));
    REFUSED(bad, "path is NULL", gramian_tensors_save(tensors, NULL));
    REFUSED(bad, "bytes is NULL", gramian_tensors_serialize(tensors, NULL, NULL));
    REFUSED(bad, "path is NULL", gramian_tensors_load(NULL, &outputs));
    REFUSED(bad, "tensors is NULL", gramian_tensors_load(model_path, NULL));
    view.size = sizeof view;
    REFUSED(bad, "tensors is NULL", gramian_tensors_get(NULL, 0, &view));
    REFUSED(bad, "name is NULL", gramian_tensors_find(tensors, NULL, &view));
    REFUSED(bad, "tensor 0: there are 0", gramian_tensors_get(tensors, 0, &view));
    REFUSED(bad, "device is NULL", gramian_operator_run(NULL, "add", NULL, tensors, &outputs));
    REFUSED(bad, "name is NULL", gramian_operator_run(device, NULL, NULL, tensors, &outputs));
    REFUSED(bad, "inputs is NULL", gramian_operator_run(device, "add", NULL, NULL, &outputs));
    REFUSED(bad, "outputs is NULL", gramian_operator_run(device, "add", NULL, tensors, NULL));
    CHECK(outputs == NULL);
    CHECK(gramian_device_list(NULL, &count) == GRAMIAN_OK && count >= 1);
    gramian_tensors_destroy(tensors);
    gramian_session_destroy(session);
    gramian_model_destroy(model);
    gramian_device_destroy(device);
}

/* Callers that were compiled against an older or a newer header. */
static void test_struct_sizes(void)
{
    struct {
        gramian_device_options known;
        uint64_t later;
    } newer;
    struct {
        gramian_device_info known;
        uint32_t later;
    } newer_info;
    struct {
        uint32_t size;
        uint32_t is_host;
        char beyond[16];
    } older_info;
    gramian_device_options options = gramian_device_options_default();
    gramian_device_info info;
    gramian_device* device = NULL;
    const gramian_status bad = GRAMIAN_INVALID_ARGUMENT;

    CHECK(options.size == sizeof options && strcmp(options.selector, "auto") == 0 && options.timeout_ns > 0);
    options.size = 0;
    REFUSED(bad, "size is not filled in", gramian_device_open(&options, &device));
    options.size = 3;
    REFUSED(bad, "size is not filled in", gramian_device_open(&options, &device));
    CHECK(device == NULL);
    options = gramian_device_options_default();
    options.limits = 2;
    REFUSED(bad, "limits 2 is unknown", gramian_device_open(&options, &device));

    memset(&newer, 0xee, sizeof newer);
    newer.known = gramian_device_options_default();
    newer.known.size = sizeof newer;
    newer.known.selector = "host";
    CHECK(gramian_device_open(&newer.known, &device) == GRAMIAN_OK);

    memset(&info, 0, sizeof info);
    REFUSED(bad, "size is not filled in", gramian_device_get_info(device, &info));
    memset(&newer_info, 0xee, sizeof newer_info);
    newer_info.known.size = sizeof newer_info;
    CHECK(gramian_device_get_info(device, &newer_info.known) == GRAMIAN_OK);
    CHECK(newer_info.known.is_host == 1 && newer_info.known.size == sizeof newer_info);
    CHECK(newer_info.later == 0xeeeeeeee);
    memset(&older_info, 0xee, sizeof older_info);
    older_info.size = 8;
    CHECK(gramian_device_get_info(device, (gramian_device_info*)(void*)&older_info) == GRAMIAN_OK);
    CHECK(older_info.size == 8 && older_info.is_host == 1 && (unsigned char)older_info.beyond[0] == 0xee);
    gramian_device_destroy(device);
}

static void test_errors(void)
{
    gramian_device_options options = gramian_device_options_default();
    gramian_device* device = open_device();
    gramian_device* other = NULL;
    gramian_model* model = NULL;
    gramian_tensors* tensors = NULL;
    options.selector = "no such device";
    REFUSED(GRAMIAN_NO_DEVICE, "host", gramian_device_open(&options, &other));
    REFUSED(GRAMIAN_IO_ERROR, "nowhere.safetensors", gramian_model_load(device, "nowhere.safetensors", &model));
    REFUSED(GRAMIAN_INVALID_MODEL, "scrap: ", gramian_model_parse(device, "scrap", 5, "scrap", &model));
    REFUSED(GRAMIAN_INVALID_MODEL, "model: ", gramian_model_parse(device, "scrap", 5, NULL, &model));
    REFUSED(GRAMIAN_IO_ERROR, "nowhere.safetensors", gramian_tensors_load("nowhere.safetensors", &tensors));
    CHECK(other == NULL && model == NULL && tensors == NULL);
    CHECK(strcmp(gramian_status_text(GRAMIAN_OK), "ok") == 0);
    for (int status = GRAMIAN_OK; status <= GRAMIAN_INTERNAL; ++status) {
        CHECK(strcmp(gramian_status_text((gramian_status)status), "unknown status") != 0);
    }
    CHECK(strcmp(gramian_status_text((gramian_status)99), "unknown status") == 0);
    CHECK(strcmp(gramian_version(), "0.1.0") == 0);
    gramian_device_destroy(device);
}

static void test_tensors(void)
{
    const uint64_t shape[3] = {2, 1, 3};
    const uint64_t nothing[2] = {4, 0};
    const uint64_t huge[2] = {65536, 65536};
    const uint64_t overflowing[3] = {4294967296u, 4294967296u, 4294967296u};
    const uint64_t deep[7] = {1, 1, 1, 1, 1, 1, 1};
    const float too_large = 65520;
    const float halves[6] = {99, -2, 3, 0.5f, 0, 6};
    float values[6] = {1, -2, 3, 0.5f, 1e-30f, 6};
    gramian_tensors* tensors = NULL;
    gramian_tensors* loaded = NULL;
    gramian_tensor_view view;
    size_t bytes = 0;
    size_t loaded_bytes = 0;
    const gramian_status bad = GRAMIAN_INVALID_ARGUMENT;
    CHECK(gramian_tensors_create(&tensors) == GRAMIAN_OK);
    CHECK(gramian_tensors_add(tensors, "values", shape, 3, values) == GRAMIAN_OK);
    values[0] = 99; /* the library has a copy */
    CHECK(gramian_tensors_add(tensors, "scalar", NULL, 0, values) == GRAMIAN_OK);
    CHECK(gramian_tensors_add(tensors, "nothing", nothing, 2, NULL) == GRAMIAN_OK);
    REFUSED(bad, "the name \"values\" is taken", gramian_tensors_add(tensors, "values", shape, 3, values));
    CHECK(gramian_tensors_add(tensors, "halves", shape, 3, values) == GRAMIAN_OK);
    REFUSED(bad, "no tensor \"none\"; there are: ", gramian_tensors_round_to_half(tensors, "none"));
    REFUSED(bad, "tensors is NULL", gramian_tensors_round_to_half(NULL, "halves"));
    CHECK(gramian_tensors_round_to_half(tensors, "halves") == GRAMIAN_OK);
    CHECK(gramian_tensors_add(tensors, "too large", NULL, 0, &too_large) == GRAMIAN_OK);
    REFUSED(bad, "element 0 is 65520, expected a number that a half holds, at most 65504",
            gramian_tensors_round_to_half(tensors, "too large"));
    REFUSED(bad, "2^31 elements", gramian_tensors_add(tensors, "huge", huge, 2, values));
    REFUSED(bad, "2^31 elements", gramian_tensors_add(tensors, "overflowing", overflowing, 3, values));
    REFUSED(bad, "rank 7", gramian_tensors_add(tensors, "deep", deep, 7, values));
    CHECK(gramian_tensors_count(tensors) == 5);
    CHECK(gramian_tensors_set_text(tensors, "note", "a \"note\"") == GRAMIAN_OK);
    CHECK(gramian_tensors_save(tensors, tensors_path) == GRAMIAN_OK);
    CHECK(gramian_tensors_load(tensors_path, &loaded) == GRAMIAN_OK);
    CHECK(gramian_tensors_count(loaded) == 5);
    CHECK(strcmp(gramian_tensors_get_text(loaded, "note"), "a \"note\"") == 0);
    CHECK(gramian_tensors_get_text(loaded, "none") == NULL);
    memset(&view, 0, sizeof view);
    REFUSED(bad, "size is not filled in", gramian_tensors_find(loaded, "values", &view));
    view.size = sizeof view;
    CHECK(gramian_tensors_find(loaded, "values", &view) == GRAMIAN_OK);
    values[0] = 1;
    CHECK(view.rank == 3 && view.shape[0] == 2 && view.shape[2] == 3 && view.element_count == 6);
    CHECK(strcmp(view.name, "values") == 0 && memcmp(view.values, values, sizeof values) == 0);
    CHECK(gramian_tensors_find(loaded, "halves", &view) == GRAMIAN_OK);
    CHECK(view.element_count == 6 && memcmp(view.values, halves, sizeof halves) == 0);
    CHECK(gramian_tensors_serialize(tensors, NULL, &bytes) == GRAMIAN_OK);
    CHECK(gramian_tensors_serialize(loaded, NULL, &loaded_bytes) == GRAMIAN_OK && loaded_bytes == bytes);
    CHECK(gramian_tensors_find(loaded, "scalar", &view) == GRAMIAN_OK);
    CHECK(view.rank == 0 && view.element_count == 1);
    REFUSED(bad, "no tensor \"none\"; there are: ", gramian_tensors_find(loaded, "none", &view));
    REFUSED(bad, "tensor 5: there are 5", gramian_tensors_get(loaded, 5, &view));
    REFUSED(GRAMIAN_IO_ERROR, "nowhere", gramian_tensors_save(tensors, "/nowhere/at/all.safetensors"));
    gramian_tensors_destroy(tensors);
    gramian_tensors_destroy(loaded);
    remove(tensors_path);
}

static void test_operator(void)
{
    gramian_device* device = open_device();
    const uint64_t a_shape[3] = {1, 2, 2};
    const uint64_t rhs_shape[3] = {1, 2, 1};
    const float a[4] = {4, 1, 1, 3};
    const float rhs[2] = {1, 2};
    gramian_tensors* inputs = NULL;
    gramian_tensors* outputs = NULL;
    gramian_tensor_view view;
    memset(&view, 0, sizeof view);
    view.size = sizeof view;
    CHECK(gramian_tensors_create(&inputs) == GRAMIAN_OK);
    CHECK(gramian_tensors_add(inputs, "a", a_shape, 3, a) == GRAMIAN_OK);
    CHECK(gramian_tensors_add(inputs, "rhs", rhs_shape, 3, rhs) == GRAMIAN_OK);
    CHECK(gramian_operator_run(device, "ridge_solve", "{\"alpha\":0}", inputs, &outputs) == GRAMIAN_OK);
    CHECK(gramian_tensors_find(outputs, "x", &view) == GRAMIAN_OK);
    CHECK(view.element_count == 2 && fabsf(11 * view.values[0] - 1) < 1e-4f && fabsf(11 * view.values[1] - 7) < 1e-4f);
    CHECK(gramian_tensors_find(outputs, "min_pivot", &view) == GRAMIAN_OK);
    CHECK(fabsf(view.values[0] - 2.75f) < 1e-4f);
    gramian_tensors_destroy(outputs);
    outputs = NULL;
    CHECK(gramian_operator_run(device, "ridge_solve", NULL, inputs, &outputs) == GRAMIAN_OK); /* defaults */
    gramian_tensors_destroy(outputs);
    outputs = NULL;
    REFUSED(GRAMIAN_UNSUPPORTED, "no operator \"solve\"",
            gramian_operator_run(device, "solve", NULL, inputs, &outputs));
    REFUSED(GRAMIAN_UNSUPPORTED, "no attribute \"x\"",
            gramian_operator_run(device, "ridge_solve", "{\"x\":1}", inputs, &outputs));
    REFUSED(GRAMIAN_INVALID_ARGUMENT, "attributes: byte",
            gramian_operator_run(device, "ridge_solve", "{", inputs, &outputs));
    REFUSED(GRAMIAN_UNSUPPORTED, "has no input \"rhs\"", gramian_operator_run(device, "add", NULL, inputs, &outputs));
    CHECK(outputs == NULL);
    CHECK(strstr(gramian_operators_json(), "\"name\":\"ridge_solve\"") != NULL);
    CHECK(strstr(gramian_operators_json(), "\"optional\":true") != NULL);
    gramian_device_destroy(device); /* before what it has nothing to do with */
    gramian_tensors_destroy(inputs);
}

static void test_devices(void)
{
    uint32_t count = 0;
    gramian_device_info infos[16];
    CHECK(gramian_device_list(NULL, &count) == GRAMIAN_OK);
    CHECK(count >= 1 && count <= 16);
    memset(infos, 0, sizeof infos);
    for (int i = 0; i < 16; ++i) infos[i].size = sizeof infos[i];
    CHECK(gramian_device_list(infos, &count) == GRAMIAN_OK);
    CHECK(infos[count - 1].is_host == 1);
    if (count > 1) {
        uint32_t room = 1;
        memset(infos, 0, sizeof infos);
        infos[0].size = infos[1].size = sizeof infos[0];
        CHECK(gramian_device_list(infos, &room) == GRAMIAN_OK);
        CHECK(room == count && infos[0].name[0] != 0 && infos[1].name[0] == 0);
    }
    /* As the header says: the first size stands for all. */
    memset(infos, 0, sizeof infos);
    infos[0].size = sizeof infos[0];
    CHECK(gramian_device_list(infos, &count) == GRAMIAN_OK);
}

static void test_pipeline_cache(void)
{
    gramian_device* device = open_device();
    size_t bytes = 0;
    CHECK(gramian_device_pipeline_cache(device, NULL, &bytes) == GRAMIAN_OK);
    void* blob = malloc(bytes + 1);
    size_t room = bytes;
    CHECK(blob && gramian_device_pipeline_cache(device, blob, &room) == GRAMIAN_OK);
    CHECK(room == bytes);
    free(blob);
    gramian_device_destroy(device);
}

/* Streams that join, leave, are copied, set back, merged, saved and restored; and many tokens at once. */
static void test_streams(void)
{
    gramian_device* device = open_device();
    gramian_model* model = NULL;
    gramian_session* session = NULL;
    gramian_session_options options = gramian_session_options_default();
    gramian_session_info info;
    uint32_t joined[3] = {9, 9, 9};
    const uint32_t two[2] = {2, 0};
    const uint32_t counts[2] = {2, 1};
    const float x[9] = {1, 2, 3, -1, 0, 2, 1, 2, 3};
    float y[3] = {0, 0, 0};
    float alone[2];
    const float* in = x;
    float* out = y;
    char state_path[1100];
    uint64_t tokens = 0;
    uint64_t pairs = 0;
    size_t size = 0;
    void* bytes = NULL;

    CHECK(gramian_model_load(device, model_path, &model) == GRAMIAN_OK);
    options.streams = 3;
    options.starts_empty = 1;
    options.snapshots = 2;
    memset(&info, 0, sizeof info);
    info.size = sizeof info;
    CHECK(gramian_session_measure(model, &options, &info) == GRAMIAN_OK);
    CHECK(info.streams == 3 && info.bytes > info.state_bytes && info.windows == 1);
    CHECK(gramian_session_create(model, &options, &session) == GRAMIAN_OK);
    REFUSED(GRAMIAN_INVALID_ARGUMENT, "stream 1 has not joined", teach(session, 1));
    REFUSED(GRAMIAN_OUT_OF_MEMORY, "4 streams cannot join", gramian_session_join(session, 4, joined));
    CHECK(gramian_session_join(session, 3, joined) == GRAMIAN_OK);
    CHECK(joined[0] == 0 && joined[1] == 1 && joined[2] == 2);

    CHECK(teach(session, 0) == GRAMIAN_OK);
    CHECK(gramian_session_snapshot(session, joined, 1) == GRAMIAN_OK);
    CHECK(gramian_session_copy(session, 0, joined + 1, 2) == GRAMIAN_OK);
    CHECK(gramian_session_merge(session, 0, 1, -1.0f) == GRAMIAN_OK); /* what is left is nothing */
    CHECK(gramian_session_rewind(session, joined, 1, 1) == GRAMIAN_OK);
    REFUSED(GRAMIAN_INVALID_ARGUMENT, "snapshot 2", gramian_session_rewind(session, joined, 1, 2));
    CHECK(gramian_session_begin_demonstration(session, joined, 1) == GRAMIAN_OK);
    CHECK(gramian_session_solve(session, joined, 3, NULL) == GRAMIAN_OK);
    CHECK(gramian_session_prefill(session, two, counts, 2, &in, &out) == GRAMIAN_OK);
    CHECK(y[0] == y[2] && y[0] != y[1]); /* both streams know the same law */
    CHECK(gramian_session_position(session, 2, &tokens, &pairs) == GRAMIAN_OK && tokens == 2 && pairs == 20);
    out = alone;
    CHECK(gramian_session_step_some(session, two, 2, &in, &out) == GRAMIAN_OK);
    CHECK(alone[0] == y[0] && alone[1] == y[1]);
    CHECK(gramian_session_submit_some(session, two, 1, &in) == GRAMIAN_OK);
    CHECK(gramian_session_reset(session, joined + 1, 1) == GRAMIAN_OK); /* beside it */
    REFUSED(GRAMIAN_INVALID_ARGUMENT, "stream 2 is in a step", gramian_session_reset(session, two, 1));
    CHECK(gramian_session_wait(session, &out) == GRAMIAN_OK);

    CHECK(gramian_session_save(session, two, 1, NULL, &size) == GRAMIAN_OK && size > 0);
    bytes = malloc(size);
    CHECK(bytes && gramian_session_save(session, two, 1, bytes, &size) == GRAMIAN_OK);
    CHECK(gramian_session_restore(session, joined + 1, 1, bytes, size, 0) == GRAMIAN_OK);
    CHECK(gramian_session_position(session, 1, &tokens, NULL) == GRAMIAN_OK && tokens == 4);
    REFUSED(GRAMIAN_INVALID_STATE, "cut short", gramian_session_restore(session, two, 1, bytes, size - 4, 0));
    free(bytes);
    snprintf(state_path, sizeof state_path, "%s.state", model_path);
    CHECK(gramian_session_save_file(session, two, 2, state_path) == GRAMIAN_OK);
    CHECK(gramian_session_restore_file(session, two, 2, state_path, 0) == GRAMIAN_OK);
    REFUSED(GRAMIAN_INVALID_STATE, "2 streams", gramian_session_restore_file(session, two, 1, state_path, 0));
    remove(state_path);
    REFUSED(GRAMIAN_IO_ERROR, "", gramian_session_restore_file(session, two, 2, state_path, 0));
    CHECK(gramian_session_leave(session, two, 1) == GRAMIAN_OK);
    REFUSED(GRAMIAN_INVALID_ARGUMENT, "has not joined", gramian_session_step_some(session, two, 1, &in, &out));
    CHECK(gramian_session_get_info(session, &info) == GRAMIAN_OK && info.joined == 2);
    gramian_session_destroy(session);
    gramian_model_destroy(model);
    gramian_device_destroy(device);
}

int main(int argc, char** argv)
{
    const char* folder = argc > 1 ? argv[1] : ".";
    snprintf(model_path, sizeof model_path, "%s/c_api_model.safetensors", folder);
    snprintf(tensors_path, sizeof tensors_path, "%s/c_api_tensors.safetensors", folder);
    write_model();
    test_devices();
    test_end_to_end();
    test_streams();
    test_nulls();
    test_struct_sizes();
    test_errors();
    test_tensors();
    test_operator();
    test_pipeline_cache();
    remove(model_path);
    printf("%s\n", failures ? "FAILED" : "passed");
    return failures ? 1 : 0;
}
