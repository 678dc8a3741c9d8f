// The table of operator benchmarks, and its C functions.
#include "conformance/benchmark.hpp"
#include "conformance/boundary.hpp"
#include "gramian/benchmark.h"
#include "ops/linear_attention_cases.hpp"
#include "ops/log_attention_cases.hpp"

using namespace gramian;

struct gramian_benchmarks {
    std::unique_ptr<Device> device;
    std::unique_ptr<Device> host;
    std::vector<Benchmark> table;
    std::vector<std::string> params;
};

namespace {

/// Reads and writes of a state of B H matrices [D, E] in fp32.
uint64_t state_traffic(const RecurrenceSize& size)
{
    return uint64_t{8} * size.batch * size.heads * size.width * size.columns;
}

/// The same of log-space attention: a pair of floats for every element, or signed, one, and a pair for every key
/// channel.
uint64_t log_state_traffic(const LogAttentionSize& size)
{
    return uint64_t{8} * size.batch * size.heads * size.width * ((size.is_signed ? 1 : 2) * size.columns + 2);
}

/// One token of gated linear attention for B streams with H heads, the state in place.
Benchmark decode(const char* layer, uint32_t width, uint32_t heads, uint32_t batch)
{
    const RecurrenceSize size{batch, 1, heads, width, width};
    const std::string prefix = std::string(layer) == "gla" ? "" : std::string(layer) + "_";
    return {fmt::format("decode.{}d{}_h{}_b{}", prefix, width, heads, batch),
            {{"layer", layer}, {"d", width}, {"heads", heads}, {"batch", batch}, {"tokens", 1}},
            linear_attention_case(layer, size),
            true,
            state_traffic(size)};
}

/// One token of log-space attention. Its state is a pair of floats an element, or signed, one.
Benchmark decode_logs(bool is_signed, uint32_t width, uint32_t heads, uint32_t batch)
{
    const char* layer = is_signed ? "log_signed" : "log";
    const LogAttentionSize size{batch, 1, heads, width, width, is_signed};
    return {fmt::format("decode.{}_d{}_h{}_b{}", layer, width, heads, batch),
            {{"layer", layer}, {"d", width}, {"heads", heads}, {"batch", batch}, {"tokens", 1}},
            log_attention_case(size),
            true,
            log_state_traffic(size)};
}

/// T tokens of log-space attention at once, eight heads of 64.
Benchmark prefill_logs(uint32_t tokens)
{
    const LogAttentionSize size{1, tokens, 8, 64, 64, false};
    return {fmt::format("prefill.log_t{}", tokens),
            {{"layer", "log"}, {"d", 64}, {"heads", 8}, {"batch", 1}, {"tokens", tokens}},
            log_attention_case(size),
            true,
            log_state_traffic(size)};
}

/// T tokens at once, eight heads of 64.
Benchmark prefill(const char* layer, uint32_t tokens)
{
    const RecurrenceSize size{1, tokens, 8, 64, 64};
    return {fmt::format("prefill.{}_t{}", layer, tokens),
            {{"layer", layer}, {"d", 64}, {"heads", 8}, {"batch", 1}, {"tokens", tokens}},
            linear_attention_case(layer, size),
            true,
            state_traffic(size)};
}

/// T tokens of two heads token by token (chunk 0) and in chunks: from some T on, one is faster than the other.
Benchmark crossover(const char* layer, uint32_t tokens, uint32_t chunk)
{
    RecurrenceSize size{1, tokens, 2, 64, 64};
    size.chunk = chunk;
    return {fmt::format("crossover.{}_t{}_{}", layer, tokens, chunk ? fmt::format("chunk{}", chunk) : "loop"),
            {{"layer", layer}, {"d", 64}, {"heads", 2}, {"batch", 1}, {"tokens", tokens}, {"chunk", chunk}},
            linear_attention_case(layer, size),
            true,
            state_traffic(size)};
}

} // namespace

std::vector<Benchmark> gramian::benchmarks()
{
    std::vector<Benchmark> table{
        decode("gla", 64, 8, 1),
        decode("gla", 64, 32, 1),
        decode("gla", 64, 8, 8),
        decode("gla", 64, 8, 64),
        decode("gla", 128, 4, 1),
        decode("gla", 128, 8, 8),
        decode("gated_delta_net", 64, 8, 1),
        decode("gated_delta_net", 64, 8, 8),
        decode("rwkv7", 64, 8, 8),
        decode_logs(false, 64, 8, 1),
        decode_logs(false, 64, 32, 1),
        decode_logs(false, 64, 8, 8),
        decode_logs(false, 64, 8, 64),
        decode_logs(false, 128, 4, 1),
        decode_logs(false, 128, 8, 8),
        decode_logs(true, 64, 8, 1),
        decode_logs(true, 64, 8, 8),
        prefill("gla", 16),
        prefill("gla", 64),
        prefill("gla", 256),
        prefill("gla", 1024),
        prefill("gated_delta_net", 256),
        prefill_logs(64),
        prefill_logs(256),
        prefill_logs(1024),
        crossover("gla", 64, 0),
        crossover("gla", 64, 16),
        crossover("gla", 256, 0),
        crossover("gla", 256, 16),
        crossover("gla", 1024, 0),
        crossover("gla", 1024, 16),
        crossover("gated_delta_net", 64, 0),
        crossover("gated_delta_net", 64, 16),
        crossover("gated_delta_net", 256, 0),
        crossover("gated_delta_net", 256, 16),
        crossover("gated_delta_net", 1024, 0),
        crossover("gated_delta_net", 1024, 16),
    };
    for (Benchmark& benchmark : solve_benchmarks()) table.push_back(std::move(benchmark));
    return table;
}

gramian_status gramian_benchmarks_create(const gramian_device_options* options, gramian_benchmarks** made)
{
    return guard([&] {
        require_pointer(made, "benchmarks");
        auto created = std::make_unique<gramian_benchmarks>();
        created->device = open_device(device_options(read_struct(options, {})));
        created->host = open_host_device();
        created->table = benchmarks();
        for (const Benchmark& benchmark : created->table) created->params.push_back(benchmark.params.dump());
        *made = created.release();
    });
}

void gramian_benchmarks_destroy(gramian_benchmarks* benchmarks)
{
    delete benchmarks;
}

uint32_t gramian_benchmarks_count(const gramian_benchmarks* benchmarks)
{
    return benchmarks ? static_cast<uint32_t>(benchmarks->table.size()) : 0;
}

gramian_status gramian_benchmarks_get(const gramian_benchmarks* all, uint32_t index, gramian_benchmark* info)
{
    return guard([&] {
        require_pointer(all, "benchmarks");
        if (index >= all->table.size()) {
            raise(Status::invalid_argument, "benchmark {}: there are {}", index, all->table.size());
        }
        write_struct(info, {sizeof *info, 0, all->table[index].name.c_str(), all->params[index].c_str()});
    });
}

gramian_status gramian_benchmarks_run(gramian_benchmarks* all, uint32_t index, const gramian_benchmark_options* options,
                                      gramian_benchmark_result* result)
{
    return guard([&] {
        require_pointer(all, "benchmarks");
        if (index >= all->table.size()) {
            raise(Status::invalid_argument, "benchmark {}: there are {}", index, all->table.size());
        }
        const BenchmarkOptions defaults;
        const auto given = read_struct(options, {sizeof *options, defaults.samples, defaults.seconds});
        const BenchmarkResult found =
            run_benchmark(*all->device, *all->host, all->table[index], {given.samples, given.seconds});
        gramian_benchmark_result out{};
        out.size = sizeof out;
        out.is_correct = found.is_correct;
        out.samples = found.samples;
        out.dispatches = found.dispatches;
        out.bytes = all->table[index].bytes;
        out.first_us = found.first_us;
        out.median_us = found.work.median_us;
        out.min_us = found.work.min_us;
        out.cv = found.work.cv;
        out.stream_us = found.stream.median_us;
        out.fraction = found.fraction;
        out.empty_us = found.empty.median_us;
        out.host_us = found.host.median_us;
        out.peer_us = found.peer.median_us;
        out.texel_stream_us = found.texel_stream.median_us;
        out.texel_fraction = found.texel_fraction;
        out.storage_ratio = found.storage_ratio;
        out.eigen_ratio = found.eigen_ratio;
        out.naive_ratio = found.naive_ratio;
        out.resolve_ratio = found.resolve_ratio;
        copy_text(out.reason, sizeof out.reason, found.reason);
        write_struct(result, out);
    });
}

gramian_status gramian_benchmarks_stream(gramian_benchmarks* all, uint64_t bytes, uint32_t samples, double* median_us)
{
    return guard([&] {
        require_pointer(all, "benchmarks");
        require_pointer(median_us, "median_us");
        if (bytes == 0 || samples == 0 || bytes > uint64_t{256} << 20) {
            raise(Status::invalid_argument, "stream: {} bytes and {} samples: expected 1 to 256 MiB, and a sample",
                  bytes, samples);
        }
        *median_us = time_stream(*all->device, bytes, samples).median_us;
    });
}

gramian_status gramian_benchmarks_ratio(gramian_benchmarks* all, uint32_t whole, uint32_t part, uint32_t count,
                                        uint32_t rounds, double* ratio)
{
    return guard([&] {
        require_pointer(all, "benchmarks");
        require_pointer(ratio, "ratio");
        if (whole >= all->table.size() || part >= all->table.size() || count == 0 || rounds == 0) {
            raise(Status::invalid_argument,
                  "benchmarks {} and {}, {} runs and {} rounds: there are {}, and each at least one", whole, part,
                  count, rounds, all->table.size());
        }
        *ratio = time_ratio(*all->device, all->table[whole], all->table[part], count, rounds);
    });
}
