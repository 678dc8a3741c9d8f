// Properties of least-squares attention (Garnelo & Czarnecki 2023) that single cases cannot say.
#include "arrays.hpp"
#include "refused.hpp"
#include "test_device.hpp"

#include <algorithm>
#include <numeric>

using namespace gramian;

namespace {

/// One problem: N pairs of keys [D] and values [E], M queries, all in one head.
struct Problem {
    uint32_t pairs = 20, queries = 6, width = 8, columns = 3;
    std::vector<float> k, v, q;

    Problem(uint32_t n, uint32_t m, uint32_t d, uint32_t e, uint64_t seed)
        : pairs(n), queries(m), width(d), columns(e), k(random_values(seed, size_t{n} * d)),
          v(random_values(seed + 1, size_t{n} * e)), q(random_values(seed + 2, size_t{m} * d))
    {
    }
    [[nodiscard]] std::vector<float> intention(const Json& attributes) const
    {
        return output_of(
            run_operator(
                test_device(), "intention", attributes,
                {{"k", {1, pairs, 1, width}, k}, {"v", {1, pairs, 1, columns}, v}, {"q", {1, queries, 1, width}, q}}),
            "y");
    }
    /// q (K^T K + alpha I)^-1 K^T V in double.
    [[nodiscard]] std::vector<double> formula(double alpha) const
    {
        std::vector<double> g(size_t{width} * width);
        std::vector<double> s(size_t{width} * columns);
        for (uint32_t n = 0; n < pairs; ++n) {
            for (uint32_t i = 0; i < width; ++i) {
                const double key = k[n * width + i];
                for (uint32_t j = 0; j < width; ++j) g[i * width + j] += key * k[n * width + j];
                for (uint32_t j = 0; j < columns; ++j) s[i * columns + j] += key * v[n * columns + j];
            }
        }
        for (uint32_t i = 0; i < width; ++i) g[i * width + i] += alpha;
        return read(solve_double(g, s, width, columns));
    }
    /// q K^T V in double: linear attention without a scale.
    [[nodiscard]] std::vector<double> linear_attention() const
    {
        std::vector<double> s(size_t{width} * columns);
        for (uint32_t n = 0; n < pairs; ++n) {
            for (uint32_t i = 0; i < width; ++i) {
                for (uint32_t j = 0; j < columns; ++j)
                    s[i * columns + j] += static_cast<double>(k[n * width + i]) * v[n * columns + j];
            }
        }
        return read(s);
    }
    [[nodiscard]] std::vector<double> read(const std::vector<double>& w) const
    {
        std::vector<double> y(size_t{queries} * columns);
        for (uint32_t m = 0; m < queries; ++m) {
            for (uint32_t i = 0; i < width; ++i) {
                for (uint32_t j = 0; j < columns; ++j)
                    y[m * columns + j] += static_cast<double>(q[m * width + i]) * w[i * columns + j];
            }
        }
        return y;
    }
};

/// rows [count, width] times a matrix [width, width].
std::vector<float> times(const std::vector<float>& rows, const std::vector<float>& matrix, uint32_t width)
{
    std::vector<float> result(rows.size());
    for (size_t r = 0; r < rows.size() / width; ++r) {
        for (uint32_t j = 0; j < width; ++j) {
            double sum = 0;
            for (uint32_t i = 0; i < width; ++i)
                sum += static_cast<double>(rows[r * width + i]) * matrix[i * width + j];
            result[r * width + j] = static_cast<float>(sum);
        }
    }
    return result;
}

} // namespace

TEST_CASE("intention: equals the formula in double")
{
    for (const double alpha : {1e-2, 1.0, 100.0}) {
        const Problem problem(40, 6, 8, 3, 100);
        CAPTURE(alpha);
        // 40 normal keys of width 8: the condition number is below 100, and sums of 40 round to 40 * 2^-24.
        CHECK(relative_error(problem.intention({{"alpha", alpha}}), problem.formula(alpha)) < 1e-5);
    }
}

TEST_CASE("intention: a large alpha gives linear attention over alpha")
{
    const Problem problem(20, 6, 8, 3, 200);
    std::vector<double> expected = problem.linear_attention();
    for (const double alpha : {1e6, 1e9}) {
        CAPTURE(alpha);
        std::vector<float> scaled = problem.intention({{"alpha", alpha}});
        for (float& value : scaled) value = static_cast<float>(value * alpha);
        // The error of the limit is |K^T K| / alpha, some 50 / alpha; rounding adds 20 * 2^-24.
        CHECK(relative_error(scaled, expected) < 50 / alpha + 5e-6);
    }
}

TEST_CASE("intention: keys K^T K = c I give linear attention over c + alpha")
{
    Problem problem(8, 5, 8, 3, 300);
    std::fill(problem.k.begin(), problem.k.end(), 0.0F);
    for (uint32_t i = 0; i < 8; ++i) problem.k[i * 8 + (i + 3) % 8] = i % 2 == 0 ? 2.0F : -2.0F; // K^T K = 4 I
    std::vector<double> expected = problem.linear_attention();
    for (double& value : expected) value /= 4 + 0.5;
    CHECK(relative_error(problem.intention({{"alpha", 0.5}}), expected) < 2e-6); // a few roundings
}

TEST_CASE("intention: invertible maps of the key space change nothing at a tiny ridge")
{
    const Problem problem(40, 6, 8, 3, 400);
    Problem mapped = problem;
    std::vector<float> map = random_values(401, 64, 0.3);
    for (uint32_t i = 0; i < 8; ++i) map[i * 9] += 2; // far from singular: its condition number is below 10
    mapped.k = times(problem.k, map, 8);
    mapped.q = times(problem.q, map, 8);
    const Json tiny{{"alpha_relative", 1e-6}};
    // The ridge itself moves the answers by some 1e-6 times the condition number of K^T K, at most 1e3 after mapping.
    CHECK(relative_error(mapped.intention(tiny), problem.intention(tiny)) < 1e-3);
}

TEST_CASE("intention: gives back the value of each key it was shown, where keys are fewer than channels")
{
    for (const uint32_t pairs : {1U, 4U, 8U}) {
        CAPTURE(pairs);
        Problem problem(pairs, pairs, 8, 3, 500);
        for (uint32_t i = 0; i < pairs; ++i) problem.k[i * 8 + i] += 4; // independent beyond doubt
        problem.q = problem.k;
        const std::vector<float> found = problem.intention({{"alpha_relative", 1e-5}});
        // alpha_relative leaves an error of about itself; K^T K is singular but for the ridge, whose 1e-5 costs fp32
        // up to 1e5 * 2^-24 = 6e-3.
        CHECK(relative_error(found, problem.v) < 6e-3);
        // Linear attention does not: keys of different pairs interfere.
        if (pairs > 1) CHECK(relative_error(problem.v, problem.linear_attention()) > 0.1);
    }
}

TEST_CASE("intention: the order of demonstrations changes the answers by rounding alone")
{
    const Problem problem(50, 6, 8, 3, 600);
    std::vector<uint32_t> order(50);
    std::iota(order.begin(), order.end(), 0U);
    Random random(601);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.bits() % i]);
    Problem shuffled = problem;
    for (uint32_t n = 0; n < 50; ++n) {
        std::copy_n(problem.k.begin() + order[n] * 8, 8, shuffled.k.begin() + n * 8);
        std::copy_n(problem.v.begin() + order[n] * 3, 3, shuffled.v.begin() + n * 3);
    }
    const Json attributes{{"alpha_relative", 1e-2}};
    // Sums of 50 differ by 50 * 2^-24; the condition number is below 100.
    CHECK(relative_error(shuffled.intention(attributes), problem.intention(attributes)) < 1e-5);
}

TEST_CASE("intention: showing every pair twice halves the ridge")
{
    const Problem once(20, 6, 8, 3, 700);
    Problem twice(40, 6, 8, 3, 700);
    for (uint32_t half = 0; half < 2; ++half) {
        std::copy(once.k.begin(), once.k.end(), twice.k.begin() + half * 160);
        std::copy(once.v.begin(), once.v.end(), twice.v.begin() + half * 60);
    }
    twice.q = once.q;
    CHECK(relative_error(twice.intention({{"alpha", 2.0}}), once.intention({{"alpha", 1.0}})) < 1e-5); // as above
}

TEST_CASE("intention: weights of pairs act as repetitions, and weight 0 removes a pair")
{
    const Problem problem(20, 6, 8, 3, 800);
    std::vector<float> beta(20, 1.0F);
    beta[3] = 0;
    const Json attributes{{"alpha", 0.1}};
    const auto weighted = output_of(run_operator(test_device(), "intention", attributes,
                                                 {{"k", {1, 20, 1, 8}, problem.k},
                                                  {"v", {1, 20, 1, 3}, problem.v},
                                                  {"q", {1, 6, 1, 8}, problem.q},
                                                  {"beta", {1, 20, 1}, beta}}),
                                    "y");
    Problem without(19, 6, 8, 3, 800);
    without.q = problem.q;
    without.k = problem.k;
    without.v = problem.v;
    without.k.erase(without.k.begin() + 24, without.k.begin() + 32);
    without.v.erase(without.v.begin() + 9, without.v.begin() + 12);
    CHECK(relative_error(weighted, without.intention(attributes)) < 1e-5);
}

TEST_CASE("intention: no information gives zeros and status no data")
{
    const OperatorRun run = run_operator(test_device(), "intention", Json::object(),
                                         {{"k", {1, 2, 1, 4}, std::vector<float>(8)},
                                          random_array("v", {1, 2, 1, 2}, 1),
                                          random_array("q", {1, 3, 1, 4}, 2)});
    CHECK(output_of(run, "y") == std::vector<float>(6, 0.0F)); // exactly 0
    CHECK(output_of(run, "status") == std::vector<float>{1});
}

TEST_CASE("intention: statistics that are handed on give what all pairs at once give")
{
    const Problem all(30, 6, 8, 3, 900);
    const auto part = [&](uint32_t from, uint32_t count, const OperatorRun* before) {
        std::vector<NamedArray> inputs{
            {"k", {1, count, 1, 8}, {all.k.begin() + from * 8, all.k.begin() + (from + count) * 8}},
            {"v", {1, count, 1, 3}, {all.v.begin() + from * 3, all.v.begin() + (from + count) * 3}},
            {"q", {1, 6, 1, 8}, all.q}};
        if (before) {
            inputs.push_back({"state_g", {1, 1, 8, 8}, output_of(*before, "state_g")});
            inputs.push_back({"state_s", {1, 1, 8, 3}, output_of(*before, "state_s")});
        }
        return run_operator(test_device(), "intention", {{"alpha", 0.1}}, inputs);
    };
    const OperatorRun whole = part(0, 30, nullptr);
    const OperatorRun first = part(0, 11, nullptr);
    const OperatorRun second = part(11, 19, &first);
    // One accumulation, whatever the cut: the same bits.
    CHECK(same_bits(output_of(second, "state_g"), output_of(whole, "state_g")));
    CHECK(same_bits(output_of(second, "state_s"), output_of(whole, "state_s")));
    CHECK(same_bits(output_of(second, "y"), output_of(whole, "y")));
}

namespace {

/// A causal problem with everything that a token may have; B = 2, H = 2, E = 3.
std::vector<NamedArray> causal_inputs(uint32_t tokens, uint32_t width, uint64_t seed, bool has_decay)
{
    NamedArray beta = random_array("beta", {2, tokens, 2}, seed + 3);
    for (float& value : beta.values) value = std::abs(value);
    std::vector<NamedArray> inputs{random_array("k", {2, tokens, 2, width}, seed),
                                   random_array("v", {2, tokens, 2, 3}, seed + 1),
                                   random_array("q", {2, tokens, 2, width}, seed + 2), beta};
    if (!has_decay) return inputs;
    NamedArray decay = random_array("decay", {2, tokens, 2}, seed + 4);
    for (float& value : decay.values) value = -0.1F * std::abs(value);
    inputs.push_back(decay);
    return inputs;
}

/// Tokens first .. first + count - 1 of every sequence among the inputs.
std::vector<NamedArray> tokens_of(const std::vector<NamedArray>& inputs, uint32_t first, uint32_t count)
{
    std::vector<NamedArray> cut;
    for (const NamedArray& input : inputs) {
        NamedArray part{input.name, {input.shape[0], count}, {}};
        for (uint32_t axis = 2; axis < input.shape.rank(); ++axis) part.shape.append(input.shape[axis]);
        const size_t token = input.values.size() / input.shape[0] / input.shape[1];
        for (uint32_t b = 0; b < input.shape[0]; ++b) {
            const auto from = input.values.begin() + static_cast<ptrdiff_t>((b * input.shape[1] + first) * token);
            part.values.insert(part.values.end(), from, from + static_cast<ptrdiff_t>(count * token));
        }
        cut.push_back(std::move(part));
    }
    return cut;
}

struct CausalKind {
    Json attributes;
    uint32_t width;
    bool has_decay;
};

const std::vector<CausalKind>& causal_kinds()
{
    static const std::vector<CausalKind> kinds{
        {{{"causal", true}, {"alpha", 0.1}}, 5, true},
        {{{"causal", true}, {"alpha_relative", 0.01}, {"forget", 0.9}}, 100, true}, // the factor lies in a buffer
        {{{"causal", true}, {"alpha", 0.1}, {"solver", "cg"}}, 9, true},
        {{{"causal", true}, {"alpha", 0.3}, {"solver", "cg_compat"}, {"iterations", 5}}, 6, true},
        {{{"causal", true}, {"alpha_relative", 0.01}, {"solver", "qr"}}, 7, true},
        {{{"causal", true}, {"alpha", 0.1}, {"solver", "rls"}}, 70, false},
    };
    return kinds;
}

} // namespace

TEST_CASE("intention: cutting a causal sequence anywhere changes no bit")
{
    for (const CausalKind& kind : causal_kinds()) {
        CAPTURE(kind.attributes.dump());
        constexpr uint32_t kTokens = 13;
        const std::vector<NamedArray> inputs = causal_inputs(kTokens, kind.width, 1000, kind.has_decay);
        const OperatorRun whole = run_operator(test_device(), "intention", kind.attributes, inputs);
        for (const std::vector<uint32_t>& pieces : {std::vector<uint32_t>(kTokens, 1), {5, 8}, {1, 11, 1}}) {
            Json attributes = kind.attributes;
            attributes["chunks"] = pieces;
            const OperatorRun cut = run_operator(test_device(), "intention", attributes, inputs);
            for (const char* name : {"y", "variance", "state_g", "state_s", "min_pivot", "residual"}) {
                CAPTURE(name);
                CHECK(same_bits(output_of(cut, name), output_of(whole, name)));
            }
        }
    }
}

TEST_CASE("intention: the causal form answers the last query as the context form does")
{
    for (const CausalKind& kind : causal_kinds()) {
        CAPTURE(kind.attributes.dump());
        constexpr uint32_t kTokens = 40;
        const std::vector<NamedArray> inputs = causal_inputs(kTokens, kind.width, 1100, kind.has_decay);
        Json attributes = kind.attributes;
        const std::vector<float> causal = output_of(run_operator(test_device(), "intention", attributes, inputs), "y");
        attributes["causal"] = false;
        std::vector<NamedArray> context = inputs;
        context[2] = tokens_of(inputs, kTokens - 1, 1)[2];
        const std::vector<float> once = output_of(run_operator(test_device(), "intention", attributes, context), "y");
        std::vector<float> last;
        for (uint32_t b = 0; b < 2; ++b) {
            const auto from = causal.begin() + ((b + 1) * kTokens - 1) * 6;
            last.insert(last.end(), from, from + 6);
        }
        CHECK(relative_error(last, once) < 1e-4); // two orders of the same sums, times a condition number below 1e3
    }
}

TEST_CASE("intention: every solver gives the same answers")
{
    const std::vector<NamedArray> inputs = causal_inputs(30, 6, 1200, false);
    const auto answers = [&](const Json& attributes) {
        return output_of(run_operator(test_device(), "intention", attributes, inputs), "y");
    };
    for (const bool is_causal : {false, true}) {
        CAPTURE(is_causal);
        const Json plain{{"alpha", 0.1}, {"causal", is_causal}};
        const std::vector<float> expected = answers(plain);
        for (const char* solver : {"cg", "qr", "rls"}) {
            CAPTURE(solver);
            Json attributes = plain;
            attributes["solver"] = solver;
            CHECK(relative_error(answers(attributes), expected) < 1e-4); // condition numbers below 1e3
        }
    }
}

TEST_CASE("intention: the variance falls with every pair that is shown, and is that of the ridge before")
{
    NamedArray q = random_array("q", {1, 1, 1, 4}, 1300);
    std::vector<NamedArray> inputs{
        random_array("k", {1, 20, 1, 4}, 1301), random_array("v", {1, 20, 1, 1}, 1302), {"q", {1, 20, 1, 4}, {}}};
    for (uint32_t t = 0; t < 20; ++t) inputs[2].values.insert(inputs[2].values.end(), q.values.begin(), q.values.end());
    std::fill_n(inputs[0].values.begin(), 4, 0.0F); // the first token shows nothing
    double prior = 0;
    for (const float value : q.values) prior += static_cast<double>(value) * value / 0.5;
    for (const char* solver : {"cholesky", "cg", "qr", "rls"}) {
        CAPTURE(solver);
        const Json attributes{{"alpha", 0.5}, {"causal", true}, {"solver", solver}};
        const std::vector<float> variance =
            output_of(run_operator(test_device(), "intention", attributes, inputs), "variance");
        CHECK(variance[0] == Approx(prior).epsilon(1e-5));
        for (uint32_t t = 1; t < 20; ++t) CHECK(variance[t] < variance[t - 1] * 1.00001F);
        CHECK(variance[19] < 0.5F * variance[0]);
    }
}

TEST_CASE("intention: what a solver cannot do is refused, with what it expects")
{
    const auto run = [](const Json& attributes, const std::vector<NamedArray>& inputs) {
        (void)run_operator(test_device(), "intention", attributes, inputs);
    };
    const std::vector<NamedArray> plain = causal_inputs(4, 3, 1400, false);
    const std::vector<NamedArray> decaying = causal_inputs(4, 3, 1400, true);
    const Status status = Status::unsupported; // of attributes, in a call of its own
    refused(status, "expected 'alpha' and no 'forget'", [&] { run({{"solver", "rls"}}, plain); });
    refused(status, "expected 'alpha' and no 'forget'", [&] {
        run({{"solver", "rls"}, {"alpha", 1}, {"forget", 0.9}}, plain);
    });
    refused(status, "forgets nothing, and a decay is given", [&] { run({{"solver", "rls"}, {"alpha", 1}}, decaying); });
    refused(status, "'chunks' needs causal: true", [&] { run({{"chunks", {2, 2}}}, plain); });
    refused(status, "the pieces sum to 3, expected T = 4", [&] { run({{"chunks", {2, 1}}, {"causal", true}}, plain); });
    refused(status, "both 'alpha' and 'alpha_relative'", [&] { run({{"alpha", 1}, {"alpha_relative", 1}}, plain); });
    refused(Status::unsupported, "iterations at key width 3, at most", [&] {
        run({{"solver", "cg"}, {"alpha", 1}, {"iterations", 100'000}}, plain);
    });
    std::vector<NamedArray> fewer = plain;
    fewer[2] = random_array("q", {2, 3, 2, 3}, 1);
    refused(Status::invalid_argument, "causal with 3 queries and 4 keys", [&] { run({{"causal", true}}, fewer); });
}

namespace {

std::vector<float> softmax_attention(const std::vector<NamedArray>& inputs, double scale, bool is_causal)
{
    return output_of(
        run_operator(test_device(), "softmax_attention", {{"scale", scale}, {"causal", is_causal}}, inputs), "o");
}

} // namespace

TEST_CASE("sigma_intention: the score form is softmax attention where K^T K + alpha I is a multiple of I")
{
    std::vector<NamedArray> inputs{{"k", {1, 8, 1, 8}, std::vector<float>(64)},
                                   random_array("v", {1, 8, 1, 3}, 1500),
                                   random_array("q", {1, 8, 1, 8}, 1501)};
    for (uint32_t i = 0; i < 8; ++i) inputs[0].values[i * 8 + (i + 3) % 8] = i % 2 == 0 ? 2.0F : -2.0F; // K^T K = 4 I
    const Json attributes{{"alpha", 0.5}, {"score_scale", 3.0}};
    const std::vector<float> found = output_of(run_operator(test_device(), "sigma_intention", attributes, inputs), "y");
    CHECK(relative_error(found, softmax_attention(inputs, 3.0 / 4.5, false)) < 5e-6);
}

TEST_CASE("sigma_intention: alpha times the kernel form tends to softmax attention")
{
    const std::vector<NamedArray> inputs{random_array("k", {2, 12, 2, 4}, 1600), random_array("v", {2, 12, 2, 3}, 1601),
                                         random_array("q", {2, 12, 2, 4}, 1602)};
    for (const bool is_causal : {false, true}) {
        for (const double alpha : {1e3, 1e5}) {
            CAPTURE(is_causal);
            CAPTURE(alpha);
            const Json attributes{{"form", "kernel"}, {"alpha", alpha}, {"causal", is_causal}, {"score_scale", 0.7}};
            std::vector<float> found =
                output_of(run_operator(test_device(), "sigma_intention", attributes, inputs), "y");
            for (float& value : found) value = static_cast<float>(value * alpha);
            // (M + alpha I)^-1 is (1 - M / alpha) / alpha but for its square, and |M V| is at most |V|.
            CHECK(relative_error(found, softmax_attention(inputs, 0.7, is_causal)) < 3 / alpha + 5e-6);
        }
    }
}

TEST_CASE("sigma_intention: a causal query does not see the future")
{
    std::vector<NamedArray> inputs{random_array("k", {1, 9, 1, 4}, 1700), random_array("v", {1, 9, 1, 3}, 1701),
                                   random_array("q", {1, 9, 1, 4}, 1702)};
    for (const char* form : {"score", "kernel"}) {
        CAPTURE(form);
        const Json attributes{{"form", form}, {"alpha", 0.3}, {"causal", true}};
        const std::vector<float> before =
            output_of(run_operator(test_device(), "sigma_intention", attributes, inputs), "y");
        std::vector<NamedArray> changed = inputs;
        for (uint32_t i = 0; i < 4; ++i) changed[0].values[6 * 4 + i] += 1;
        const std::vector<float> after =
            output_of(run_operator(test_device(), "sigma_intention", attributes, changed), "y");
        CHECK(same_bits({before.begin(), before.begin() + 18}, {after.begin(), after.begin() + 18}));
        CHECK_FALSE(same_bits({before.begin() + 18, before.end()}, {after.begin() + 18, after.end()}));
    }
}

TEST_CASE("sigma_intention: more keys than the kernel form solves for are refused, with the number")
{
    refused(Status::unsupported, "257 keys, at most 256", [&] {
        (void)run_operator(test_device(), "sigma_intention", {{"form", "kernel"}},
                           {random_array("k", {1, 257, 1, 1}, 1), random_array("v", {1, 257, 1, 1}, 2),
                            random_array("q", {1, 1, 1, 1}, 3)});
    });
}
