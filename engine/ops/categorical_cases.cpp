// Cases of `softmax`, `argmax`, `sample` and `embedding`.
#include "ops/cases.hpp"
#include "ops/categorical_twin.hpp"

namespace gramian {
namespace {

struct ChoiceRow {
    const char* name;
    uint32_t batch;
    uint32_t tokens;
    uint32_t channels;
    double scale = 1;
};

constexpr ChoiceRow kRows[] = {
    {"b1_t1_c1", 1, 1, 1},           {"b2_t3_c5", 2, 3, 5},   {"b1_t7_c63", 1, 7, 63},
    {"b3_t5_c64_hot", 3, 5, 64, 30}, {"b2_t2_c65", 2, 2, 65}, {"b1_t2_c4097", 1, 2, 4097},
};

/// Vulkan promises e^x to 3 + 2 |x| units: 4e-6 at the differences of 30 that still count.
constexpr Tolerance kTolerance{2e-6, 1e-5};

void prepare_softmax(Problem& problem, const ChoiceRow& row)
{
    problem.normal("x", {row.batch, row.tokens, row.channels}, row.scale);
    const std::vector<double> x = problem.doubles("x");
    std::vector<double>& y = problem.expect("y", {row.batch, row.tokens, row.channels}, kTolerance);
    for (size_t at = 0; at < x.size(); at += row.channels) twin::softmax(&x[at], &y[at], row.channels);
}

void prepare_argmax(Problem& problem, const ChoiceRow& row)
{
    std::vector<float>& values = problem.normal("x", {row.batch, row.tokens, row.channels});
    for (float& value : values) value = std::round(2 * value); // many equals: the first counts
    const std::vector<double> x = problem.doubles("x");
    std::vector<double>& y = problem.expect("y", {row.batch, row.tokens, 1}, kExact);
    for (size_t i = 0; i < y.size(); ++i) y[i] = twin::argmax(&x[i * row.channels], row.channels);
}

void prepare_sample(Problem& problem, const ChoiceRow& row)
{
    std::vector<float>& values = problem.uniform("x", {row.batch, row.tokens, row.channels}, -4, 12);
    for (float& value : values) value = std::round(value); // whole numbers: no sum is rounded
    std::vector<float>& keys = problem.uniform("key", {row.batch, row.tokens, 1}, 0, 9);
    for (float& key : keys) key = std::round(key);
    const std::vector<double> x = problem.doubles("x");
    std::vector<double>& y = problem.expect("y", {row.batch, row.tokens, 1}, kExact);
    for (uint32_t i = 0; i < y.size(); ++i) {
        const double u = twin::draw(77, keys[i], i % row.tokens);
        y[i] = twin::sample(&x[size_t{i} * row.channels], row.channels, u);
    }
}

/// `weight_scale`: 1e-5 makes denormal halves.
void prepare_embedding(Problem& problem, bool has_halves, double weight_scale)
{
    constexpr uint32_t kTable = 70;
    constexpr uint32_t kSize = 33;
    std::vector<float>& x = problem.uniform("x", {9, 1}, 0, kTable - 1);
    for (float& value : x) value = std::round(value);
    x.front() = 0;
    x.back() = kTable - 1;
    problem.normal("weight", {kTable, kSize}, weight_scale);
    if (has_halves) problem.round_to_half("weight");
    const std::vector<double> weight = problem.doubles("weight");
    std::vector<double>& y = problem.expect("y", {9, kSize}, kExact);
    for (uint32_t row = 0; row < 9; ++row) {
        std::copy_n(&weight[static_cast<size_t>(x[row]) * kSize], kSize, &y[size_t{row} * kSize]);
    }
}

} // namespace

void add_categorical_cases(std::vector<Case>& cases)
{
    for (const ChoiceRow& row : kRows) {
        cases.push_back({fmt::format("softmax.{}.f32", row.name), "softmax", Json::object(),
                         [&row](Problem& problem) { prepare_softmax(problem, row); }});
        cases.push_back({fmt::format("argmax.{}.f32", row.name), "argmax", Json::object(),
                         [&row](Problem& problem) { prepare_argmax(problem, row); }});
        cases.push_back({fmt::format("sample.{}.f32", row.name), "sample", Json{{"seed", 77}},
                         [&row](Problem& problem) { prepare_sample(problem, row); }});
    }
    cases.push_back({"embedding.r9_n70_c33.f32", "embedding", Json::object(),
                     [](Problem& problem) { prepare_embedding(problem, false, 1); }});
    cases.push_back({"embedding.r9_n70_c33.f16", "embedding", Json::object(),
                     [](Problem& problem) { prepare_embedding(problem, true, 1); }});
    cases.push_back({"embedding.r9_n70_c33_denormal.f16", "embedding", Json::object(),
                     [](Problem& problem) { prepare_embedding(problem, true, 1e-5); }});
}

} // namespace gramian
