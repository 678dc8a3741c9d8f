/* Benchmarks of the engine's operators: each beside what it is measured against, in one process, round robin.
 *
 *     create (opens a device) ──► run, one by one ──► destroy
 *
 * Part of the library gramian::conformance; errors are read with gramian_conformance_last_error(). */
#ifndef GRAMIAN_BENCHMARK_H
#define GRAMIAN_BENCHMARK_H

#include <gramian/conformance.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A table of benchmarks and the device that they run on. */
typedef struct gramian_benchmarks gramian_benchmarks;

typedef struct gramian_benchmark {
    uint32_t size;
    uint32_t reserved;
    const char* name;   /* "decode.d64_h8_b1": its suite is what stands before the dot */
    const char* params; /* what the name says, as a JSON object */
} gramian_benchmark;

typedef struct gramian_benchmark_options {
    uint32_t size;
    uint32_t samples; /* at least; default 15 */
    double seconds;   /* that the operator's own runs take together, at least, unless those of all that it is
                       * measured against take five times as long; default 0.4 */
} gramian_benchmark_options;

/* Medians in microseconds, submit to finished. */
typedef struct gramian_benchmark_result {
    uint32_t size;
    uint32_t is_correct; /* 1: the first run agreed with the reference in float64 */
    uint32_t samples;
    uint32_t dispatches;
    uint64_t bytes;   /* that have to be read or written */
    double first_us;  /* of the first run: some drivers compile then */
    double median_us; /* of the operator */
    double min_us;
    double cv;        /* standard deviation over mean */
    double stream_us; /* of scaling as many bytes in place */
    double fraction;  /* median over the rounds of that time over the operator's, in the same round */
    double empty_us;  /* of a submission of nothing */
    double host_us;   /* of the same operator on the host executor, one thread */
    double peer_us;   /* of another library, one thread; 0: none */
    char reason[1024]; /* why it is not correct */
    /* Where the operator reads through texel buffers; otherwise 0. Ratios as `fraction`. */
    double texel_stream_us; /* of scaling as many bytes in place, read that way too */
    double texel_fraction;  /* of that time over the operator's */
    double storage_ratio;   /* of the time of the operator's variant that reads storage buffers, over this one's */
    /* Of small least squares; otherwise 0. Ratios as `fraction`. */
    double eigen_ratio;   /* of Eigen's time, one thread, over the operator's */
    double naive_ratio;   /* of the time of a textbook's kernel on the same device, over the operator's */
    double resolve_ratio; /* of the time of a solve of one problem, over that of a token of recursive least squares */
} gramian_benchmark_result;

/* options may be NULL. */
GRAMIAN_API gramian_status gramian_benchmarks_create(const gramian_device_options* options,
                                                     gramian_benchmarks** benchmarks);
GRAMIAN_API void gramian_benchmarks_destroy(gramian_benchmarks* benchmarks);
GRAMIAN_API uint32_t gramian_benchmarks_count(const gramian_benchmarks* benchmarks);
/* The strings live as long as the object. */
GRAMIAN_API gramian_status gramian_benchmarks_get(const gramian_benchmarks* benchmarks, uint32_t index,
                                                  gramian_benchmark* info);
/* options may be NULL. */
GRAMIAN_API gramian_status gramian_benchmarks_run(gramian_benchmarks* benchmarks, uint32_t index,
                                                  const gramian_benchmark_options* options,
                                                  gramian_benchmark_result* result);

/* Median over `rounds` of the time of one run of `whole` over that of `count` runs of `part`, one after the other: how
 * cost grows with size, on a machine that others use too. */
GRAMIAN_API gramian_status gramian_benchmarks_ratio(gramian_benchmarks* benchmarks, uint32_t whole, uint32_t part,
                                                    uint32_t count, uint32_t rounds, double* ratio);

/* Median microseconds of scaling bytes / 2 bytes in place on the same device, which reads and writes `bytes` in all:
 * up to 256 MiB. What anything else that moves as many bytes is measured against. */
GRAMIAN_API gramian_status gramian_benchmarks_stream(gramian_benchmarks* benchmarks, uint64_t bytes, uint32_t samples,
                                                     double* median_us);

#ifdef __cplusplus
}
#endif
#endif
