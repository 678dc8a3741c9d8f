/* Gramian: on-device inference of recurrent and least-squares networks on Vulkan. The C API, and the only ABI promise.
 *
 *     device ──► model ──► session ──► step, prefill, observe, solve
 *
 * Every function returns a status; on anything but GRAMIAN_OK, gramian_last_error() says what was expected and what was
 * found. No exception crosses this boundary. Objects are created and destroyed in pairs and in any order: an object
 * keeps what it depends on alive. destroy(NULL) is fine. One thread per session at a time; different sessions may
 * use different threads. The library never keeps a caller's pointer, starts no threads, reads no environment
 * variables and never prints. Numbers are fp32, arrays row-major with the last extent contiguous.
 *
 * Structs start with their size, filled in by the caller (`s.size = sizeof s`) or by the …_default() function, so that
 * later versions can append members. Status codes are only ever appended. */
#ifndef GRAMIAN_H
#define GRAMIAN_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define GRAMIAN_API __declspec(dllexport)
#else
#define GRAMIAN_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define GRAMIAN_VERSION_MAJOR 0
#define GRAMIAN_VERSION_MINOR 1
#define GRAMIAN_VERSION_PATCH 0

typedef enum gramian_status {
    GRAMIAN_OK = 0,
    GRAMIAN_INVALID_ARGUMENT = 1, /* a caller's value: a wrong shape, a NaN observation, an unknown name */
    GRAMIAN_INVALID_MODEL = 2,    /* a file whose content does not hold up */
    GRAMIAN_IO_ERROR = 3,         /* a file that cannot be read or written */
    GRAMIAN_NO_DEVICE = 4,        /* no usable device, or not the one that was named */
    GRAMIAN_UNSUPPORTED = 5,      /* understood, but not done by this version or on this device */
    GRAMIAN_OUT_OF_MEMORY = 6,    /* does not fit; the message holds the numbers */
    GRAMIAN_DEVICE_LOST = 7,      /* sticky: open the device anew */
    GRAMIAN_TIMEOUT = 8,          /* the device did not finish in time; sticky too */
    GRAMIAN_INTERNAL = 9,         /* a fault of the engine */
    GRAMIAN_INVALID_STATE = 10    /* a saved state that is damaged, or of another model or device */
} gramian_status;

/* Of the last call on this thread that failed. Valid until the next call on this thread. */
GRAMIAN_API const char* gramian_last_error(void);
/* "invalid argument" */
GRAMIAN_API const char* gramian_status_text(gramian_status status);
/* "0.1.0" */
GRAMIAN_API const char* gramian_version(void);

/* ------------------------------------------------------------------------------------------------------------------
 * Devices */

typedef struct gramian_device gramian_device;

typedef enum gramian_limits {
    GRAMIAN_LIMITS_DEVICE = 0, /* what the device offers */
    GRAMIAN_LIMITS_MINIMUM = 1 /* pretend that it offers what Vulkan 1.1 promises, no more, and stage all transfers */
} gramian_limits;

typedef struct gramian_device_options {
    uint32_t size;
    uint32_t limits;      /* gramian_limits */
    const char* selector; /* "auto" (the first Vulkan device, or else the host), an index, part of a name, "host" */
    uint64_t timeout_ns;  /* of every wait; 20 s unless changed. A software driver compiles kernels in their first launch,
                             for up to seconds each: give more where many of them meet a slow or busy processor */
    uint32_t validation;  /* 1: Khronos validation; its messages become errors */
    uint32_t reserved;
    const void* pipeline_cache; /* from gramian_device_pipeline_cache of an earlier run, or NULL */
    size_t pipeline_cache_bytes;
    const char* verdict; /* from gramian_device_self_test of an earlier run, or a JSON array of such; NULL: none. What
                            is of another device, driver, engine or other kernels is ignored */
} gramian_device_options;

typedef struct gramian_device_info {
    uint32_t size;
    uint32_t is_host; /* 1: the host executor, no Vulkan */
    char name[256];
    char driver[256];
    char kind[32]; /* cpu, integrated gpu, discrete gpu, virtual gpu, other, host */
    uint32_t api_version;
    uint32_t vendor_id;
    uint32_t device_id;
    uint32_t driver_version;
    uint32_t subgroup_size;
    uint32_t max_workgroup_invocations;
    uint32_t max_shared_bytes;
    uint32_t max_push_bytes;
    uint64_t max_storage_bytes; /* one buffer that a kernel sees */
    uint64_t max_memory_bytes;  /* one allocation */
} gramian_device_info;

GRAMIAN_API gramian_device_options gramian_device_options_default(void);
/* Fills at most *count entries and sets *count to how many devices there are: Vulkan devices by index, then the host.
 * infos may be NULL to ask for the count. Set infos[0].size. */
GRAMIAN_API gramian_status gramian_device_list(gramian_device_info* infos, uint32_t* count);
/* options may be NULL. GRAMIAN_NO_DEVICE lists what there is. */
GRAMIAN_API gramian_status gramian_device_open(const gramian_device_options* options, gramian_device** device);
GRAMIAN_API gramian_status gramian_device_get_info(const gramian_device* device, gramian_device_info* info);
/* Copies at most *bytes bytes to data (may be NULL) and sets *bytes to the size of the blob. */
GRAMIAN_API gramian_status gramian_device_pipeline_cache(gramian_device* device, void* data, size_t* bytes);
/* Trust: runs every kernel that the engine picks on this device, on fixed inputs, twice to the bit and beside the same
 * arithmetic on the host. A kernel that comes out wrong is not used from then on: the next variant is tested and takes
 * its place, or else what needs it is refused with GRAMIAN_UNSUPPORTED. Call it before models are loaded; it takes
 * milliseconds once the driver has its pipelines. *verdict is JSON, to be kept and given to the next open
 * (options.verdict), and lives until the next self-test: device, driver, driver_version, vendor_id, device_id, engine,
 * spirv_hash, abilities {…}, us, kernels [{"kernel","verdict","launches","error","reason"}] (verdict: "right", "wrong",
 * "unstable", "does not compile", "not tested"), refused [{"kernel","reason"}]. verdict may be NULL. */
GRAMIAN_API gramian_status gramian_device_self_test(gramian_device* device, const char** verdict);
/* The verdict that holds: of the last self-test, or the one that the device was opened with if it fits. NULL: none. */
GRAMIAN_API const char* gramian_device_verdict_json(const gramian_device* device);
/* The selection table of kernels for this device as JSON [{"kernel","picked","when"}]. Lives as long as the device, or
 * until a self-test. */
GRAMIAN_API const char* gramian_device_kernels_json(gramian_device* device);
GRAMIAN_API void gramian_device_destroy(gramian_device* device);

/* ------------------------------------------------------------------------------------------------------------------
 * Models: one .safetensors file, `__metadata__["gramian.model"]` lists inputs, outputs and nodes */

typedef struct gramian_model gramian_model;

/* GRAMIAN_IO_ERROR when the file cannot be read, GRAMIAN_INVALID_MODEL when it does not hold up. */
GRAMIAN_API gramian_status gramian_model_load(gramian_device* device, const char* path, gramian_model** model);
/* The same from memory; `name` leads the messages. */
GRAMIAN_API gramian_status gramian_model_parse(gramian_device* device, const void* bytes, size_t byte_count,
                                               const char* name, gramian_model** model);
/* The model's description as JSON: what the file says (name, task, inputs, outputs, nodes, card …) plus
 * parameter_count, half_parameter_count (of these, kept in halves), weight_bytes, fingerprint, has_context, capacity,
 * token_capacity (tokens that a stream may have where its state grows with them, or 0), golden_tokens and, of all that
 * flows between nodes, values [{"name","size","needs_context"}]. Lives as long as the model. */
GRAMIAN_API const char* gramian_model_json(const gramian_model* model);
GRAMIAN_API void gramian_model_destroy(gramian_model* model);

/* ------------------------------------------------------------------------------------------------------------------
 * Sessions: N streams (agents) of a model, stepped together */

typedef struct gramian_session gramian_session;
typedef struct gramian_tensors gramian_tensors; /* see below */

typedef struct gramian_session_options {
    uint32_t size;
    uint32_t streams;
    uint32_t verify_golden; /* 1: first replay the model's golden rollout, and refuse where it is not reproduced */
    uint32_t profile;       /* 1: time every node */
    uint32_t starts_empty;  /* 1: no stream has joined yet; 0: all have */
    uint32_t snapshots;     /* that gramian_session_snapshot keeps of every stream */
} gramian_session_options;

typedef struct gramian_session_info {
    uint32_t size;
    uint32_t streams;
    uint64_t state_bytes;      /* of all streams */
    uint64_t activation_bytes; /* scratch, shared by all programs */
    uint64_t step_bytes_moved; /* read and written by the kernels of one step */
    uint32_t step_dispatches;
    uint32_t reserved;
    uint64_t submissions; /* steps, prefills, observations and solves so far */
    uint64_t io_bytes;    /* inputs, outputs and lists, mapped where the device allows it */
    uint64_t bytes;       /* state, scratch and io together; the weights are the model's */
    uint32_t windows;     /* parts that the streams' state is cut into, to fit the device's bindings */
    uint32_t joined;      /* streams that a step runs */
} gramian_session_info;

typedef enum gramian_solve_status {
    GRAMIAN_SOLVED = 0,
    GRAMIAN_SOLVE_NO_DATA = 1, /* nothing observed: the answer is 0 */
    GRAMIAN_SOLVE_FAILED = 2   /* no retry made the matrix positive definite: the answer is 0 */
} gramian_solve_status;

/* How a stream's least-squares problems went; of several heads and nodes, the worst. */
typedef struct gramian_solve_report {
    uint32_t size;
    uint32_t status;  /* gramian_solve_status */
    float min_pivot;  /* smallest squared diagonal entry of the Cholesky factor */
    float alpha;      /* ridge that was used, absolute */
    uint32_t retries; /* times that the ridge had to be raised */
    float residual;   /* |rhs - (a + alpha I) x| / |rhs|, Frobenius */
} gramian_solve_report;

GRAMIAN_API gramian_session_options gramian_session_options_default(void);
/* Allocates, records and warms up everything; GRAMIAN_OUT_OF_MEMORY, with the numbers, before anything is allocated. */
GRAMIAN_API gramian_status gramian_session_create(gramian_model* model, const gramian_session_options* options,
                                                  gramian_session** session);
/* What such a session would take, without creating it; GRAMIAN_OUT_OF_MEMORY as above. */
GRAMIAN_API gramian_status gramian_session_measure(gramian_model* model, const gramian_session_options* options,
                                                   gramian_session_info* info);
GRAMIAN_API gramian_status gramian_session_get_info(const gramian_session* session, gramian_session_info* info);
/* One token for every stream that has joined, in one submission. inputs[i]: [streams, size] of the i-th input that is no context
 * input; outputs[i]: room for [streams, size] of the i-th output. step is submit and wait; between those two the
 * caller may do other work. A value that is not finite is refused by stream and channel, and nothing changes. */
GRAMIAN_API gramian_status gramian_session_step(gramian_session* session, const float* const* inputs,
                                                float* const* outputs);
GRAMIAN_API gramian_status gramian_session_submit(gramian_session* session, const float* const* inputs);
GRAMIAN_API gramian_status gramian_session_wait(gramian_session* session, float* const* outputs);
/* The same for these streams only, each named once: the others cost nothing. inputs[i] and outputs[i]: [count, size] in
 * the order of the list. submit_some is followed by gramian_session_wait. */
GRAMIAN_API gramian_status gramian_session_step_some(gramian_session* session, const uint32_t* streams, uint32_t count,
                                                     const float* const* inputs, float* const* outputs);
GRAMIAN_API gramian_status gramian_session_submit_some(gramian_session* session, const uint32_t* streams,
                                                       uint32_t count, const float* const* inputs);
/* Many tokens at once: counts[i] of them for streams[i]. inputs[j]: [sum of counts, size] of the j-th input that is no
 * context input, streams one after the other; outputs[j] likewise, the answer to every token. The streams end up where
 * as many steps would have brought them, however the tokens are cut into calls. */
GRAMIAN_API gramian_status gramian_session_prefill(gramian_session* session, const uint32_t* streams,
                                                   const uint32_t* counts, uint32_t stream_count,
                                                   const float* const* inputs, float* const* outputs);
/* Models with context inputs learn from what they are shown. Stream streams[i] is shown counts[i] tokens;
 * inputs[j]: [sum of counts, size] of the model's j-th input, context inputs among them, streams one after the other.
 */
GRAMIAN_API gramian_status gramian_session_observe(gramian_session* session, const uint32_t* streams,
                                                   const uint32_t* counts, uint32_t stream_count,
                                                   const float* const* inputs);
/* What these streams are shown next is a new demonstration: recurrent nodes before those that learn start anew, what
 * was learned stays. A stream that was created or reset begins its first demonstration by itself. */
GRAMIAN_API gramian_status gramian_session_begin_demonstration(gramian_session* session, const uint32_t* streams,
                                                               uint32_t stream_count);
/* Settles what these streams have observed. reports: stream_count of them, or NULL; set reports[0].size. */
GRAMIAN_API gramian_status gramian_session_solve(gramian_session* session, const uint32_t* streams,
                                                 uint32_t stream_count, gramian_solve_report* reports);
/* How each least-squares problem of a stream went, one row a head, as tensors "VALUE.report" [heads, 5] named after the
 * value that a node makes: smallest pivot, alpha, retries, residual, gramian_solve_status. Of the last solve, and of the
 * last token of a node that solves at every token. Empty where nothing was solved. Destroy them. */
GRAMIAN_API gramian_status gramian_session_get_reports(const gramian_session* session, uint32_t stream,
                                                       gramian_tensors** reports);
/* What a stream has learned from what it was shown, as tensors "VALUE.STATE": the value that a learning node makes, and
 * a name of its state: of intention the sums g = k^T k and s = k^T v, and w, what was solved for. Destroy them. */
GRAMIAN_API gramian_status gramian_session_get_statistics(const gramian_session* session, uint32_t stream,
                                                          gramian_tensors** statistics);
/* Sums add up: adds weight times those of another stream, of this session or of any other whose learning nodes are
 * alike. weight 1 merges, -1 takes away again, and 0.5 counts half. What is no sum (w) is left alone: solve anew. */
GRAMIAN_API gramian_status gramian_session_add_statistics(gramian_session* session, uint32_t stream,
                                                          const gramian_tensors* statistics, float weight);
/* Forgets all that these streams have learned and done; streams NULL: every stream. */
GRAMIAN_API gramian_status gramian_session_reset(gramian_session* session, const uint32_t* streams,
                                                 uint32_t stream_count);

/* Streams come and go. While a step is submitted, all of this may be done to streams that are not in it. */

/* The `count` free streams with the lowest numbers join, as new; streams: room for their numbers.
 * GRAMIAN_OUT_OF_MEMORY when fewer are free. */
GRAMIAN_API gramian_status gramian_session_join(gramian_session* session, uint32_t count, uint32_t* streams);
/* These streams become free; until they join again, every call that names them is refused. */
GRAMIAN_API gramian_status gramian_session_leave(gramian_session* session, const uint32_t* streams,
                                                 uint32_t stream_count);
/* Every target becomes what `from` is: what it has learned and done. */
GRAMIAN_API gramian_status gramian_session_copy(gramian_session* session, uint32_t from, const uint32_t* targets,
                                                uint32_t target_count);
/* Adds what `from` was shown to what `to` was, times `weight`; -1 takes it away again. Then solve.
 * GRAMIAN_UNSUPPORTED where a node keeps more than sums. */
GRAMIAN_API gramian_status gramian_session_merge(gramian_session* session, uint32_t to, uint32_t from, float weight);
/* Keeps these streams as they are now, on the device; where options.snapshots are kept already, over the oldest. */
GRAMIAN_API gramian_status gramian_session_snapshot(gramian_session* session, const uint32_t* streams,
                                                    uint32_t stream_count);
/* Back to the `back`-th last snapshot (1: the last), which stays; later ones are gone. */
GRAMIAN_API gramian_status gramian_session_rewind(gramian_session* session, const uint32_t* streams,
                                                  uint32_t stream_count, uint32_t back);
/* Tokens that a stream was stepped through, and pairs that it was shown, since it was new. Either may be NULL. */
GRAMIAN_API gramian_status gramian_session_position(const gramian_session* session, uint32_t stream, uint64_t* tokens,
                                                    uint64_t* pairs);

/* Saved streams hold format version, model fingerprint, device and driver, positions and a checksum. They are restored
 * to the bit or refused with GRAMIAN_INVALID_STATE and the reason. */

/* bytes NULL: only the number of bytes; otherwise *byte_count says how much room there is. */
GRAMIAN_API gramian_status gramian_session_save(gramian_session* session, const uint32_t* streams,
                                                uint32_t stream_count, void* bytes, size_t* byte_count);
/* Into as many streams as were saved, in their order. on_any_device 1: also what was saved on another device or driver;
 * the state is the same then, the bits of what follows may differ. */
GRAMIAN_API gramian_status gramian_session_restore(gramian_session* session, const uint32_t* streams,
                                                   uint32_t stream_count, const void* bytes, size_t byte_count,
                                                   uint32_t on_any_device);
/* The same to a file, which is replaced as a whole or not at all, and from one. */
GRAMIAN_API gramian_status gramian_session_save_file(gramian_session* session, const uint32_t* streams,
                                                     uint32_t stream_count, const char* path);
GRAMIAN_API gramian_status gramian_session_restore_file(gramian_session* session, const uint32_t* streams,
                                                        uint32_t stream_count, const char* path,
                                                        uint32_t on_any_device);

/* Time of every node in the last step or the last block of a prefill, as JSON [{"node","us"}]; needs options.profile.
 * Nodes that share a launch are one entry: "node 1 (rms_norm) + node 2 (linear)". Lives until the next call. */
GRAMIAN_API const char* gramian_session_profile_json(gramian_session* session);
GRAMIAN_API void gramian_session_destroy(gramian_session* session);

/* ------------------------------------------------------------------------------------------------------------------
 * Named tensors: what single operators take and give, and what .safetensors files hold */

typedef struct gramian_tensor_view {
    uint32_t size;
    uint32_t rank;
    uint64_t shape[8];
    const char* name;
    const float* values; /* element_count of them */
    uint64_t element_count;
} gramian_tensor_view;

GRAMIAN_API gramian_status gramian_tensors_create(gramian_tensors** tensors);
/* Copies the values. A name can be added once. */
GRAMIAN_API gramian_status gramian_tensors_add(gramian_tensors* tensors, const char* name, const uint64_t* shape,
                                               uint32_t rank, const float* values);
/* Rounds a tensor to halves, nearest even, and stores it as F16 from then on, as tensors that a file holds in F16 are.
 * Where an operator's kernel reads a weight as halves (linear, gru, lstm, embedding), the device keeps it so. Refuses
 * numbers that no half holds. */
GRAMIAN_API gramian_status gramian_tensors_round_to_half(gramian_tensors* tensors, const char* name);
GRAMIAN_API gramian_status gramian_tensors_set_text(gramian_tensors* tensors, const char* key, const char* text);
/* NULL when there is no such entry. */
GRAMIAN_API const char* gramian_tensors_get_text(const gramian_tensors* tensors, const char* key);
GRAMIAN_API uint32_t gramian_tensors_count(const gramian_tensors* tensors);
/* Views live as long as the tensors do. */
GRAMIAN_API gramian_status gramian_tensors_get(const gramian_tensors* tensors, uint32_t index,
                                               gramian_tensor_view* view);
GRAMIAN_API gramian_status gramian_tensors_find(const gramian_tensors* tensors, const char* name,
                                                gramian_tensor_view* view);
GRAMIAN_API gramian_status gramian_tensors_load(const char* path, gramian_tensors** tensors);
/* Written beside the path and renamed, so that a full disk loses nothing. */
GRAMIAN_API gramian_status gramian_tensors_save(const gramian_tensors* tensors, const char* path);
/* The bytes of such a file, for gramian_model_parse and for callers with storage of their own. Copies at most *bytes
 * bytes to data (may be NULL) and sets *bytes to the size of the whole. */
GRAMIAN_API gramian_status gramian_tensors_serialize(const gramian_tensors* tensors, void* data, size_t* bytes);
GRAMIAN_API void gramian_tensors_destroy(gramian_tensors* tensors);

/* ------------------------------------------------------------------------------------------------------------------
 * Single operators */

/* Runs one operator: name, attributes as a JSON object (NULL: defaults), named tensors in, named tensors out. A
 * solve's report comes as min_pivot, alpha, retries, residual and status. GRAMIAN_UNSUPPORTED for a name, attribute or
 * tensor that this version does not know. */
GRAMIAN_API gramian_status gramian_operator_run(gramian_device* device, const char* name, const char* attributes,
                                                const gramian_tensors* inputs, gramian_tensors** outputs);
/* The table of operators as JSON [{"name","inputs":[{"name","optional","constant"}],"outputs","attributes"}]. */
GRAMIAN_API const char* gramian_operators_json(void);

#ifdef __cplusplus
}
#endif
#endif
