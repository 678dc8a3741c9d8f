// The ratios that decide whether a run was good, wherever it ran: each from rows of one run, beside its bound.
#include "bench.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gramian::bench {
namespace {

struct Floor {
    std::string id;
    std::string what;
    double value;
    double bound;
    bool is_least; // the bound: value must not be below, otherwise not above
};

class Rows {
public:
    explicit Rows(const std::vector<Row>& rows) : rows_(rows) {}

    [[nodiscard]] const Row* find(const std::string& name) const
    {
        const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) { return row.name == name; });
        return found == rows_.end() ? nullptr : &*found;
    }
    [[nodiscard]] std::vector<const Row*> solves(uint32_t unknowns) const
    {
        std::vector<const Row*> found;
        for (const Row& row : rows_) {
            const bool is_solve = row.name.starts_with("solve.");
            if (is_solve && row.params.value("unknowns", 0U) == unknowns) found.push_back(&row);
        }
        return found;
    }
    [[nodiscard]] std::vector<const Row*> decodes(const std::string& layer, uint32_t width) const
    {
        std::vector<const Row*> found;
        for (const Row& row : rows_) {
            const bool is_decode = row.name.starts_with("decode.") && row.params.value("layer", "") == layer;
            if (is_decode && row.params.value("d", 0U) == width) found.push_back(&row);
        }
        return found;
    }

private:
    const std::vector<Row>& rows_;
};

uint32_t heads_of(const Row& row)
{
    return row.params.value("heads", 0U) * row.params.value("batch", 0U);
}

/// The case's time over STREAM's of the same round, both without their submission.
std::optional<double> over_stream(const Row* row)
{
    if (!row || !row->stream_us || !row->empty_us) return std::nullopt;
    const double stream = *row->stream_us - *row->empty_us;
    return stream > 0 ? std::optional((row->median_us - *row->empty_us) / stream) : std::nullopt;
}

void add_decode(std::vector<Floor>& floors, const Rows& rows, const std::string& layer)
{
    const auto least = [](const std::vector<const Row*>& from, auto ratio, auto is_meant) {
        std::optional<double> found;
        for (const Row* row : from) {
            const std::optional<double> one = ratio(*row);
            if (one && is_meant(*row)) found = std::min(found.value_or(*one), *one);
        }
        return found;
    };
    const auto add = [&](const char* id, const char* what, std::optional<double> value, double bound) {
        if (value) floors.push_back({id, fmt::format("decode {}: {}", layer, what), *value, bound, true});
    };
    const auto fraction = [](const Row& row) { return row.fraction; };
    const auto texels = [](const Row& row) { return row.texel_fraction; };
    const auto storage = [](const Row& row) { return row.storage_ratio; };
    const auto any = [](const Row&) { return true; };
    const std::vector<const Row*> narrow = rows.decodes(layer, 64);
    const std::vector<const Row*> wide = rows.decodes(layer, 128);
    add("P1", "least fraction of STREAM, D 64, H B up to 64",
        least(narrow, fraction, [](const Row& row) { return heads_of(row) <= 64; }), 0.80);
    add("P1", "fraction of STREAM, D 64, H B 512",
        least(narrow, fraction, [](const Row& row) { return heads_of(row) == 512; }), 0.70);
    add("P2", "least fraction of STREAM, D 128", least(wide, fraction, any), 0.65);
    std::vector<const Row*> all = narrow;
    all.insert(all.end(), wide.begin(), wide.end());
    add("P3", "least fraction of a STREAM that reads texels", least(all, texels, any), 0.65);
    add("P3", "least gain over the variant that reads storage buffers, H B from 32",
        least(all, storage, [](const Row& row) { return heads_of(row) >= 32; }), 1.3);
}

void add_prefill(std::vector<Floor>& floors, const Rows& rows, const std::string& layer)
{
    for (const uint32_t tokens : {256U, 1024U}) {
        const Row* row = rows.find(fmt::format("prefill.{}_t{}", layer, tokens));
        if (!row || !row->params.contains("token_over_t64")) continue;
        floors.push_back({"P6", fmt::format("prefill {}: us/token at T {} over T 64", layer, tokens),
                          row->params["token_over_t64"].get<double>(), 1.15, false});
    }
}

void add_tokens(std::vector<Floor>& floors, const Rows& rows, const std::string& layer)
{
    const Row* base = rows.find(fmt::format("tokens.{}_10", layer));
    for (const uint32_t past : {1'000U, 10'000U, 100'000U, 1'000'000U}) {
        const Row* row = rows.find(fmt::format("tokens.{}_{}", layer, past));
        if (!base || !row) continue;
        const double bound = past > 10'000 ? 1.10 : 1.05;
        floors.push_back({"P7", fmt::format("tokens {}: a step after {} tokens over one after 10", layer, past),
                          row->median_us / base->median_us, bound, false});
    }
}

void add_batch(std::vector<Floor>& floors, const Rows& rows, const std::string& layer)
{
    const std::string prefix = layer == "gla" ? "" : layer + "_";
    const auto one = over_stream(rows.find(fmt::format("decode.{}d64_h8_b1", prefix)));
    const auto many = over_stream(rows.find(fmt::format("decode.{}d64_h8_b8", prefix)));
    if (!one || !many) return;
    const std::string what = fmt::format("decode {}: time at H B 64 over H B 8, over STREAM's same ratio", layer);
    floors.push_back({"P8", what, *many / *one, 0.8, true});
    floors.push_back({"P8", what, *many / *one, 1.2, false});
}

void add_steps(std::vector<Floor>& floors, const Rows& rows, const std::string& weights)
{
    const Row* one = rows.find(fmt::format("step.policy{}_b1", weights));
    const Row* many = rows.find(fmt::format("step.policy{}_b32", weights));
    const std::string what = "step policy" + weights;
    if (one && many) {
        const double ratio = many->median_us / 32 / one->median_us;
        floors.push_back({"P15", what + ": time a stream, 32 over 1", ratio, 0.40, false});
    }
    if (one) {
        floors.push_back({"P17", what + ": dispatches", static_cast<double>(*one->dispatches), 17, false});
        floors.push_back(
            {"P18", what + ": first step over median", one->params["first_over_median"].get<double>(), 3, false});
    }
    for (const Row* row : {one, many}) {
        if (!row) continue;
        floors.push_back({"P26",
                          fmt::format("{}: bytes over the least, {} streams", what, row->params["streams"].dump()),
                          row->params["bytes_over_least"].get<double>(), 1.10, false});
    }
}

/// Small least squares beside Eigen and a textbook's kernel, and what recursive least squares saves.
void add_solves(std::vector<Floor>& floors, const Rows& rows)
{
    struct Bounds {
        uint32_t unknowns;
        uint32_t batch; // from here on
        double eigen;
        double tokens; // 0: not timed
    };
    for (const Bounds& bounds : {Bounds{16, 256, 5, 5}, {32, 64, 7, 10}, {64, 64, 14, 25}, {128, 64, 18, 0}}) {
        for (const Row* row : rows.solves(bounds.unknowns)) {
            const bool is_many = row->params.value("batch", 0U) >= bounds.batch;
            if (row->eigen_ratio && is_many) {
                const std::string what = row->name + ": times slower than Eigen, one thread";
                floors.push_back({"P9", what, 1 / *row->eigen_ratio, bounds.eigen, false});
            }
            if (row->naive_ratio) {
                const std::string what = row->name + ": times faster than a textbook's kernel";
                floors.push_back({"P10", what, *row->naive_ratio, 4.5, true});
            }
            if (row->resolve_ratio && bounds.tokens > 0) {
                const std::string what = row->name + ": tokens in the time of one solve";
                floors.push_back({"P12", what, *row->resolve_ratio, bounds.tokens, true});
            }
        }
    }
}

void add_costs(std::vector<Floor>& floors, const Rows& rows)
{
    if (const Row* tiny = rows.find("step.tiny_b1")) {
        const double bare = tiny->params["bare_us"].get<double>();
        floors.push_back({"P16", "step tiny: us above a bare submission; or 10 % of that",
                          tiny->params["overhead_us"].get<double>(), std::max(5.0, 0.1 * bare), false});
    }
    if (const Row* cold = rows.find("load.cold")) {
        floors.push_back({"P19", "load cold: seconds of the slowest first run of a kernel's case",
                          1e-6 * cold->params["slowest_us"].get<double>(), 3, false});
        floors.push_back({"P19", "load cold: seconds of all first runs",
                          1e-6 * cold->params["kernels_us"].get<double>(), 20, false});
    }
}

} // namespace

Json floors_of(const std::vector<Row>& all)
{
    const Rows rows(all);
    std::vector<Floor> floors;
    for (const char* layer : {"gla", "log", "log_signed"}) {
        add_decode(floors, rows, layer);
        add_prefill(floors, rows, layer);
        add_tokens(floors, rows, layer);
        add_batch(floors, rows, layer);
    }
    for (const char* weights : {"", "_fp16"}) add_steps(floors, rows, weights);
    add_solves(floors, rows);
    add_costs(floors, rows);
    std::stable_sort(floors.begin(), floors.end(), [](const Floor& a, const Floor& b) {
        return std::stoi(a.id.substr(1)) < std::stoi(b.id.substr(1));
    });
    Json list = Json::array();
    for (const Floor& floor : floors) {
        list.push_back({{"id", floor.id},
                        {"what", floor.what},
                        {"value", floor.value},
                        {floor.is_least ? "least" : "most", floor.bound},
                        {"holds", floor.is_least ? floor.value >= floor.bound : floor.value <= floor.bound}});
    }
    return list;
}

void print_floors(const Json& floors)
{
    for (const Json& floor : floors) {
        const bool is_least = floor.contains("least");
        fmt::print("{}{:<4} {:<76} {:>8.2f}, {} {:.2f}{}\n", &floor == &floors[0] ? "\n" : "",
                   floor["id"].get<std::string>(), floor["what"].get<std::string>(), floor["value"].get<double>(),
                   is_least ? "at least" : "at most", floor[is_least ? "least" : "most"].get<double>(),
                   floor["holds"].get<bool>() ? "" : "  MISSED");
    }
}

} // namespace gramian::bench
