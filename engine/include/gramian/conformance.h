/* Conformance: runs the engine's operators, case by case, on a device and compares them with float64 references.
 *
 *     create (which cases) ──► open_device ──► run, case by case ──► destroy
 *
 * A library of its own, gramian::conformance: a shipped engine carries no test data. The conventions are those of
 * gramian.h (structs start with their size, no exception crosses), but errors are read with
 * gramian_conformance_last_error(). One thread at a time per object. */
#ifndef GRAMIAN_CONFORMANCE_H
#define GRAMIAN_CONFORMANCE_H

#include <gramian/gramian.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A list of cases and the device that they run on. */
typedef struct gramian_conformance gramian_conformance;

typedef struct gramian_conformance_options {
    uint32_t size;
    uint32_t reserved;
    uint64_t seed;       /* of all inputs, together with each case's name */
    const char* vectors; /* a directory of golden vectors: these cases and no others; NULL: the engine's own cases */
} gramian_conformance_options;

typedef struct gramian_conformance_case {
    uint32_t size;
    uint32_t is_quick;  /* 1: in the subset that takes seconds on a software driver */
    const char* name;   /* "ridge_solve.p64_k1_b4.f32" */
    const char* family; /* kernels, math, state, api, file, agents, soak, limits or vectors */
    const char* op;     /* name of the operator, the family of a property, "?" for a vector that cannot be read */
} gramian_conformance_case;

typedef enum gramian_case_status {
    GRAMIAN_CASE_PASS = 0,
    GRAMIAN_CASE_FAIL = 1,
    GRAMIAN_CASE_UNSUPPORTED = 2, /* an operator, attribute or tensor that this version or device does not have */
    GRAMIAN_CASE_TIMEOUT = 3,     /* sticky: open the device again */
    GRAMIAN_CASE_DEVICE_LOST = 4  /* sticky: open the device again */
} gramian_case_status;

typedef struct gramian_case_result {
    uint32_t size;
    uint32_t status;      /* gramian_case_status */
    double tolerance_rms; /* of the output that used up most of its tolerance: passes when both ratios hold, */
    double tolerance_max;
    double tolerance_abs; /* or max|x - ref| does */
    double rms;           /* rms(x - ref) / rms(ref) */
    double max;           /* max|x - ref| / max|ref| */
    uint64_t worst_index; /* of the element that is furthest off */
    double microseconds;  /* median over the runs, submit to finished; a property as a whole */
    char reason[1024];    /* empty for a pass */
    uint64_t pipelines;   /* that the device has made so far, in all runs since it was opened */
} gramian_case_result;

/* Of the last call on this thread that failed. Valid until the next call on this thread. */
GRAMIAN_API const char* gramian_conformance_last_error(void);
/* options may be NULL. GRAMIAN_INVALID_ARGUMENT for a directory that is none; a vector that does not hold up is a
 * case that fails. */
GRAMIAN_API gramian_status gramian_conformance_create(const gramian_conformance_options* options,
                                                      gramian_conformance** conformance);
GRAMIAN_API void gramian_conformance_destroy(gramian_conformance* conformance);

GRAMIAN_API uint32_t gramian_conformance_count(const gramian_conformance* conformance);
/* The strings live as long as the object. */
GRAMIAN_API gramian_status gramian_conformance_get_case(const gramian_conformance* conformance, uint32_t index,
                                                        gramian_conformance_case* info);

/* Opens a device for the runs to come, in place of an earlier one; options may be NULL. */
GRAMIAN_API gramian_status gramian_conformance_open_device(gramian_conformance* conformance,
                                                           const gramian_device_options* options);
/* `repeat` runs, whose outputs must agree to the bit; between guard words, and NaN beforehand. The outcome is in the
 * result; a status other than GRAMIAN_OK is a wrong argument or no device opened. */
GRAMIAN_API gramian_status gramian_conformance_run(gramian_conformance* conformance, uint32_t index, uint32_t repeat,
                                                   gramian_case_result* result);

/* What a report starts with, as a JSON object: engine_version, git_revision, spirv_hash, seed, and of the open device
 * device, driver, driver_version, vendor_id, device_id, kind, api_version, subgroup_size, limits {…},
 * requirements [{"limit","needs","offers"}] and kernels [{"kernel","picked","when"}]: the selection table. Lives until
 * the next call on the object. */
GRAMIAN_API const char* gramian_conformance_header_json(gramian_conformance* conformance);
/* The devices that can be opened, by index, as a JSON array [{"name","driver","kind"}]. Lives until the next call on
 * this thread. */
GRAMIAN_API const char* gramian_conformance_devices_json(void);

#ifdef __cplusplus
}
#endif
#endif
