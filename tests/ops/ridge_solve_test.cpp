// What must hold of least squares whatever the numbers: two forms of one problem agree, the order of what was shown
// does not matter, more work gives a better answer.
#include "arrays.hpp"
#include "test_device.hpp"

#include <algorithm>
#include <cmath>

using namespace gramian;

namespace {

constexpr uint32_t kRows = 40;

struct Pairs {
    NamedArray k;
    NamedArray v;
};

Pairs draw(uint32_t rows, uint32_t unknowns, uint32_t columns)
{
    return {random_array("k", {1, rows, unknowns}, 81), random_array("v", {1, rows, columns}, 82)};
}

const NamedArray& output(const OperatorRun& run, std::string_view name)
{
    const auto found = std::find_if(run.outputs.begin(), run.outputs.end(),
                                    [&](const NamedArray& array) { return array.name == name; });
    REQUIRE(found != run.outputs.end());
    return *found;
}

OperatorRun solve(const Pairs& pairs, const Json& attributes)
{
    return run_operator(test_device(), "ridge_solve", attributes, {pairs.k, pairs.v});
}

std::vector<float> solution(const Pairs& pairs, const Json& attributes)
{
    return output(solve(pairs, attributes), "x").values;
}

/// K = U diag(1 … 1 / 1000) rotated by a Householder reflection: fp32 statistics know its small directions badly.
Pairs stretched()
{
    Pairs pairs = draw(60, 16, 2);
    std::vector<double> w(32);
    for (size_t i = 0; i < 32; ++i) w[i] = std::sin(1.0 + static_cast<double>(i));
    for (size_t t = 0; t < 60; ++t) {
        double along = 0;
        for (size_t i = 0; i < 16; ++i) {
            pairs.k.values[t * 16 + i] *= static_cast<float>(std::pow(1e-3, static_cast<double>(i) / 15));
            along += pairs.k.values[t * 16 + i] / 4;
        }
        for (size_t i = 0; i < 16; ++i) pairs.k.values[t * 16 + i] -= static_cast<float>(2 * along / 4);
        for (size_t c = 0; c < 2; ++c) {
            double value = 0;
            for (size_t i = 0; i < 16; ++i) value += pairs.k.values[t * 16 + i] * w[i * 2 + c];
            pairs.v.values[t * 2 + c] = static_cast<float>(value);
        }
    }
    return pairs;
}

} // namespace

TEST_CASE("ridge_solve: the dual form gives what the primal form gives")
{
    // 33 rows, 40 unknowns: the dual. With 20 rows of zeros the same problem has more rows than unknowns.
    Pairs pairs = draw(33, 40, 3);
    Pairs padded = pairs;
    padded.k.shape = {1, 53, 40};
    padded.k.values.resize(size_t{53} * 40, 0.0F);
    padded.v.shape = {1, 53, 3};
    padded.v.values.resize(size_t{53} * 3, 0.0F);
    for (const Json& attributes : {Json{{"alpha", 0.3}}, Json{{"alpha_relative", 0.01}}}) {
        CHECK(relative_error(solution(pairs, attributes), solution(padded, attributes)) < 2e-5);
    }
}

TEST_CASE("ridge_solve: with a large ridge it is linear attention, and with none it interpolates")
{
    const Pairs pairs = draw(kRows, 17, 3);
    std::vector<float> sums(17 * 3); // k^T v, what linear attention keeps
    for (size_t t = 0; t < kRows; ++t) {
        for (size_t i = 0; i < 17; ++i) {
            for (size_t c = 0; c < 3; ++c) sums[i * 3 + c] += pairs.k.values[t * 17 + i] * pairs.v.values[t * 3 + c];
        }
    }
    for (const char* name : {"cholesky", "cg", "qr", "rls"}) {
        CAPTURE(name);
        std::vector<float> scaled = solution(pairs, {{"solver", name}, {"alpha", 1e6}});
        for (float& value : scaled) value *= 1e6F;
        CHECK(relative_error(scaled, sums) < 1e-3); // |k^T k| / alpha
    }
    const Pairs few = draw(9, 33, 2); // fewer pairs than unknowns: all of them are met
    for (const char* name : {"cholesky", "qr"}) {
        CAPTURE(name);
        const std::vector<float> x = solution(few, {{"solver", name}, {"alpha", 1e-4}});
        std::vector<float> recalled(9 * 2);
        for (size_t t = 0; t < 9; ++t) {
            for (size_t i = 0; i < 33; ++i) {
                for (size_t c = 0; c < 2; ++c) recalled[t * 2 + c] += few.k.values[t * 33 + i] * x[i * 2 + c];
            }
        }
        CHECK(relative_error(recalled, few.v.values) < 1e-3);
    }
}

TEST_CASE("ridge_solve: at a small ridge predictions do not depend on how the keys are turned and stretched")
{
    const Pairs pairs = draw(kRows, 12, 2);
    Pairs turned = pairs; // k A with A = D (I - 2 w w^T), D diagonal between 0.5 and 2, w = 1 / sqrt(12)
    for (size_t t = 0; t < kRows; ++t) {
        double along = 0;
        for (size_t i = 0; i < 12; ++i) {
            turned.k.values[t * 12 + i] *= static_cast<float>(std::pow(2.0, static_cast<double>(i) / 5.5 - 1));
            along += turned.k.values[t * 12 + i];
        }
        for (size_t i = 0; i < 12; ++i) turned.k.values[t * 12 + i] -= static_cast<float>(along / 6);
    }
    const auto predictions = [](const Pairs& of, const std::vector<float>& x) {
        std::vector<float> y(kRows * 2);
        for (size_t t = 0; t < kRows; ++t) {
            for (size_t i = 0; i < 12; ++i) {
                for (size_t c = 0; c < 2; ++c) y[t * 2 + c] += of.k.values[t * 12 + i] * x[i * 2 + c];
            }
        }
        return y;
    };
    for (const char* name : {"cholesky", "cg", "qr"}) {
        CAPTURE(name);
        const Json small{{"solver", name}, {"alpha_relative", 1e-7}, {"iterations", 200}};
        const std::vector<float> reference = predictions(pairs, solution(pairs, small));
        CHECK(relative_error(predictions(turned, solution(turned, small)), reference) < 1e-4);
        const Json large{{"solver", name}, {"alpha_relative", 1.0}, {"iterations", 200}}; // there they do
        const std::vector<float> other = predictions(pairs, solution(pairs, large));
        CHECK(relative_error(predictions(turned, solution(turned, large)), other) > 1e-2);
    }
}

TEST_CASE("ridge_solve: the order of the rows does not matter")
{
    const Pairs pairs = draw(kRows, 17, 3);
    Pairs turned = pairs;
    for (size_t t = 0; t < kRows; ++t) {
        std::copy_n(&pairs.k.values[t * 17], 17, &turned.k.values[(kRows - 1 - t) * 17]);
        std::copy_n(&pairs.v.values[t * 3], 3, &turned.v.values[(kRows - 1 - t) * 3]);
    }
    for (const char* name : {"cholesky", "cg", "qr", "rls"}) {
        CAPTURE(name);
        const Json attributes{{"solver", name}, {"alpha", 0.5}, {"iterations", 100}};
        CHECK(relative_error(solution(turned, attributes), solution(pairs, attributes)) < 5e-5);
    }
}

TEST_CASE("ridge_solve: every solver gives the same answer")
{
    const Pairs pairs = draw(kRows, 17, 3);
    const std::vector<float> reference = solution(pairs, {{"alpha", 0.5}});
    for (const char* name : {"cg", "qr", "rls"}) {
        CAPTURE(name);
        const OperatorRun run = solve(pairs, {{"solver", name}, {"alpha", 0.5}, {"iterations", 100}});
        CHECK(relative_error(output(run, "x").values, reference) < 5e-5);
        CHECK(output(run, "residual").values[0] < 1e-4F);
        CHECK(output(run, "status").values[0] == 0.0F);
    }
}

TEST_CASE("ridge_solve: refinement from the rows restores what statistics in fp32 have lost")
{
    const Pairs pairs = stretched();
    const std::vector<float> exact = solution(pairs, {{"alpha_relative", 1e-4}, {"solver", "qr"}});
    const double plain = relative_error(solution(pairs, {{"alpha_relative", 1e-4}}), exact);
    const double refined = relative_error(solution(pairs, {{"alpha_relative", 1e-4}, {"refine", 1}}), exact);
    CHECK(refined < plain / 4);
    CHECK(refined < 2e-5);
}

TEST_CASE("ridge_solve: conjugate gradients converge, and as published they stay biased")
{
    const Pairs pairs = draw(kRows, 17, 1);
    const auto residual = [&](const char* name, uint32_t iterations) {
        const Json attributes{{"solver", name}, {"alpha", 0.5}, {"iterations", iterations}};
        return output(solve(pairs, attributes), "residual").values[0];
    };
    CHECK(residual("cg", 4) < residual("cg", 1));
    CHECK(residual("cg", 12) < residual("cg", 4));
    CHECK(residual("cg", 60) < 1e-5F);
    CHECK(residual("cg", 60) == residual("cg", 600)); // it has stopped
    CHECK(residual("cg_compat", 30) < residual("cg_compat", 3));
}

TEST_CASE("ridge_solve: more right-hand sides, or others beside one, do not change its solution")
{
    const Pairs pairs = draw(kRows, 33, 9);
    Pairs first = pairs;
    first.v.shape = {1, kRows, 1};
    first.v.values.clear();
    for (size_t t = 0; t < kRows; ++t) first.v.values.push_back(pairs.v.values[t * 9]);
    for (const char* name : {"cholesky", "cg", "qr", "rls"}) {
        CAPTURE(name);
        const Json attributes{{"solver", name}, {"alpha", 0.5}, {"iterations", 100}};
        const std::vector<float> all = solution(pairs, attributes);
        std::vector<float> column;
        for (size_t i = 0; i < 33; ++i) column.push_back(all[i * 9]);
        CHECK(relative_error(solution(first, attributes), column) < 2e-5);
    }
}

TEST_CASE("cholesky and triangular_solve: together they are ridge_solve without a ridge")
{
    for (const uint32_t unknowns : {16U, 33U, 130U}) {
        CAPTURE(unknowns);
        const NamedArray k = random_array("k", {2, 2 * unknowns + 5, unknowns}, 83);
        const NamedArray rhs = random_array("rhs", {2, unknowns, 3}, 84);
        NamedArray a{"a", {2, unknowns, unknowns}, std::vector<float>(size_t{2} * unknowns * unknowns)};
        for (size_t b = 0; b < 2; ++b) {
            for (size_t t = 0; t < 2 * unknowns + 5; ++t) {
                const float* key = &k.values[(b * (2 * unknowns + 5) + t) * unknowns];
                for (size_t i = 0; i < unknowns; ++i) {
                    for (size_t j = 0; j < unknowns; ++j)
                        a.values[(b * unknowns + i) * unknowns + j] += key[i] * key[j];
                }
            }
        }
        const NamedArray l{"a", a.shape, output(run_operator(test_device(), "cholesky", {}, {a}), "l").values};
        const OperatorRun forward = run_operator(test_device(), "triangular_solve", {}, {l, rhs});
        const NamedArray half{"rhs", rhs.shape, output(forward, "x").values};
        const OperatorRun back = run_operator(test_device(), "triangular_solve", {{"transpose", true}}, {l, half});
        const OperatorRun whole = run_operator(test_device(), "ridge_solve", {{"alpha", 0}}, {a, rhs});
        CHECK(relative_error(output(back, "x").values, output(whole, "x").values) < 1e-4);
    }
}

TEST_CASE("cholesky_update: adding rows one by one gives the factor of all of them")
{
    const uint32_t unknowns = 20;
    NamedArray l{"a", {1, unknowns, unknowns}, std::vector<float>(size_t{unknowns} * unknowns)};
    for (size_t i = 0; i < unknowns; ++i) l.values[i * unknowns + i] = 2;
    const NamedArray rows = random_array("x", {1, 12, unknowns}, 85);
    const OperatorRun together = run_operator(test_device(), "cholesky_update", {}, {l, rows});
    for (size_t t = 0; t < 12; ++t) {
        NamedArray row{"x", {1, 1, unknowns}, {}};
        row.values.assign(rows.values.begin() + static_cast<ptrdiff_t>(t * unknowns),
                          rows.values.begin() + static_cast<ptrdiff_t>((t + 1) * unknowns));
        l.values = output(run_operator(test_device(), "cholesky_update", {}, {l, row}), "l").values;
    }
    CHECK(relative_error(l.values, output(together, "l").values) < 1e-5);
}
