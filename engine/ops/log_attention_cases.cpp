// Cases of `log_attention`, `log_recurrence` and `log_linear_attention`: short ones, extreme ones, and what 1e5 tokens
// do to a state.
#include "ops/log_attention_cases.hpp"
#include "ops/log_attention_twin.hpp"
#include "ops/log_linear_attention_twin.hpp"
#include "ops/log_recurrence_twin.hpp"

#include <algorithm>
#include <cmath>

namespace gramian {
namespace {

struct LogRow {
    const char* name;
    uint32_t batch;
    uint32_t queries; // T where causal
    uint32_t tokens;
    uint32_t heads;
    uint32_t width;
    uint32_t columns;
    double scale = 1; // of q, k and log v
    bool is_signed = false;
    bool is_causal = true;
    bool has_state = true;
    bool is_quick = true;
};

constexpr bool kSigned = true;
constexpr bool kContext = false;

constexpr LogRow kLogRows[] = {
    {"t1_d1_e1", 1, 1, 1, 1, 1, 1},
    {"t7_d5_e3", 2, 7, 7, 3, 5, 3},
    {"t3_d63_e65", 1, 3, 3, 2, 63, 65},
    {"t4_d64_e64", 2, 4, 4, 1, 64, 64},
    {"t2_d65_e129", 1, 2, 2, 1, 65, 129, 1, !kSigned, true, true, false},
    {"t2_d768_e2", 1, 2, 2, 1, 768, 2, 1, !kSigned, true, true, false},
    {"extreme", 1, 40, 40, 2, 9, 5, 60}, // log v far beyond 88, where e^v ends
    {"fresh", 1, 9, 9, 2, 8, 4, 1, !kSigned, true, false},
    {"context", 2, 3, 50, 2, 8, 4, 1, !kSigned, kContext},
    {"signed.t1_d1_e1", 1, 1, 1, 1, 1, 1, 1, kSigned},
    {"signed.t7_d5_e3", 2, 7, 7, 3, 5, 3, 1, kSigned},
    {"signed.t3_d63_e65", 1, 3, 3, 2, 63, 65, 1, kSigned},
    {"signed.t4_d64_e64", 2, 4, 4, 1, 64, 64, 1, kSigned},
    {"signed.large_keys", 1, 40, 40, 2, 9, 5, 60, kSigned},
    {"signed.context", 2, 3, 50, 2, 8, 4, 1, kSigned, kContext},
    {"t5_d32_e128", 2, 5, 5, 2, 32, 128, 1, !kSigned, true, true, false}, // kernels of their own, and their limits
    {"t3_d128_e32", 1, 3, 3, 2, 128, 32, 1, !kSigned, true, true, false},
    {"extreme.t40_d16_e32", 1, 40, 40, 2, 16, 32, 60, !kSigned, true, true, false},
    {"signed.t5_d32_e128", 2, 5, 5, 2, 32, 128, 1, kSigned, true, true, false},
    {"signed.t3_d128_e32", 1, 3, 3, 2, 128, 32, 1, kSigned, true, true, false},
    {"signed.large_keys.t40_d16_e32", 1, 40, 40, 2, 16, 32, 60, kSigned, true, true, false},
    // One token, which has a kernel of its own; an empty state's exponent is less than any that comes.
    {"t1_d32_e64", 2, 1, 1, 2, 32, 64, 1, !kSigned, true, true, false},
    {"extreme.fresh.t1_d32_e64", 2, 1, 1, 2, 32, 64, 60, !kSigned, true, false, false},
    {"signed.t1_d32_e64", 2, 1, 1, 2, 32, 64, 1, kSigned, true, true, false},
    {"t300_d16_e16", 1, 300, 300, 1, 16, 16, 1, !kSigned, true, true, false},
    {"drift.t100000_d16_e16", 1, 100'000, 100'000, 1, 16, 16, 1, !kSigned, true, false, false},
    {"drift.signed.t100000_d16_e16", 1, 100'000, 100'000, 1, 16, 16, 1, kSigned, true, false, false},
    {"drift.t100000", 1, 100'000, 100'000, 1, 3, 2, 1, !kSigned, true, false, false},
    {"drift.signed.t100000", 1, 100'000, 100'000, 1, 3, 2, 1, kSigned, true, false, false},
};

/// Logarithms count by their absolute error: 2e-6, however many tokens (a float logarithm loses 1e-4 in 1e5 of them, a
/// float sum 1e-5, and 1e-3 if they are alike), and 2e-6 of the largest exponent, which rounds to 2^-24 of itself.
Tolerance log_tolerance(const LogRow& row, const std::vector<double>& logs)
{
    double largest = 0;
    for (const double value : logs) {
        if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
    }
    return {0, 0, 2e-6 + 2e-6 * std::max(largest, row.scale)};
}

/// Signed outputs are means. Their weights are e^x, off by 2^-24 of x; sums of 1e5 tokens add 5e-6.
Tolerance mean_tolerance(const LogRow& row)
{
    const double rms = row.tokens >= 100'000 ? 1e-5 : row.scale > 1 ? 5e-5 : 5e-6;
    return {rms, 4 * rms};
}

class LogReference {
public:
    LogReference(const Problem& problem, const LogRow& row)
        : row_(row), size_{row.width, row.columns, row.is_signed}, q_(problem.doubles("q")), k_(problem.doubles("k")),
          v_(problem.doubles(row.is_signed ? "v" : "log_v"))
    {
        if (!row.has_state) return;
        state_s_ = problem.doubles("state_s");
        state_z_ = problem.doubles("state_z");
    }

    /// y: [B, M, H, E], state_s: [B, H, D, E], state_z: [B, H, D].
    void run(std::vector<double>& y, std::vector<double>& state_s, std::vector<double>& state_z) const
    {
        for (uint32_t block = 0; block < row_.batch * row_.heads; ++block) {
            std::vector<double> s(size_.width * size_.row());
            std::vector<double> z(size_t{2} * size_.width);
            take_in(block, s, z);
            for (uint32_t t = 0; t < row_.tokens; ++t) {
                const size_t at = row_of(block, t, row_.tokens);
                twin::log_attention_write(size_, &k_[at * size_.width], &v_[at * size_.columns], s.data(), z.data());
                if (row_.is_causal) answer(block, t, s, z, y);
            }
            for (uint32_t m = 0; m < row_.queries && !row_.is_causal; ++m) answer(block, m, s, z, y);
            give_out(block, s, z, state_s, state_z);
        }
    }

private:
    [[nodiscard]] size_t row_of(uint32_t block, uint32_t t, uint32_t tokens) const
    {
        return (size_t{block / row_.heads} * tokens + t) * row_.heads + block % row_.heads;
    }
    void answer(uint32_t block, uint32_t m, const std::vector<double>& s, const std::vector<double>& z,
                std::vector<double>& y) const
    {
        const size_t at = row_of(block, m, row_.queries);
        twin::log_attention_read(size_, &q_[at * size_.width], s.data(), z.data(), &y[at * size_.columns]);
    }
    void take_in(uint32_t block, std::vector<double>& s, std::vector<double>& z) const
    {
        for (uint32_t i = 0; i < size_.width && row_.has_state; ++i) {
            const size_t at = size_t{block} * size_.width + i;
            const auto row = twin::ScaledSum<double>::exp(state_z_[at]);
            z[i] = row.exponent;
            z[size_.width + i] = row.sum;
            for (uint32_t j = 0; j < size_.columns && row.sum > 0; ++j) {
                const double given = state_s_[at * size_.columns + j];
                const auto entry = twin::ScaledSum<double>::exp(given);
                s[i * size_.row() + j] = size_.is_signed ? given * row.sum : entry.exponent;
                if (!size_.is_signed) s[i * size_.row() + size_.columns + j] = entry.sum;
            }
        }
    }
    void give_out(uint32_t block, const std::vector<double>& s, const std::vector<double>& z,
                  std::vector<double>& state_s, std::vector<double>& state_z) const
    {
        for (uint32_t i = 0; i < size_.width; ++i) {
            const size_t at = size_t{block} * size_.width + i;
            state_z[at] = twin::ScaledSum<double>{z[i], z[size_.width + i]}.log();
            for (uint32_t j = 0; j < size_.columns; ++j) {
                const double first = s[i * size_.row() + j];
                state_s[at * size_.columns + j] =
                    size_.is_signed ? first / z[size_.width + i]
                                    : twin::ScaledSum<double>{first, s[i * size_.row() + size_.columns + j]}.log();
            }
        }
    }

    const LogRow& row_;
    twin::LogAttentionSize size_;
    std::vector<double> q_, k_, v_, state_s_, state_z_;
};

/// expects_states: as the operator gives them out; a node keeps them in another form.
void prepare_log_attention(Problem& problem, const LogRow& row, bool expects_states = true)
{
    const Shape key{row.batch, row.tokens, row.heads, row.width};
    const Shape answers{row.batch, row.queries, row.heads, row.columns};
    const Shape s{row.batch, row.heads, row.width, row.columns};
    const Shape z{row.batch, row.heads, row.width};
    problem.normal("q", {row.batch, row.queries, row.heads, row.width}, row.scale);
    problem.normal("k", key, row.scale);
    const double value_scale = row.is_signed ? 1 : row.scale;
    problem.normal(row.is_signed ? "v" : "log_v", {row.batch, row.tokens, row.heads, row.columns}, value_scale);
    if (row.has_state) {
        std::vector<float>& state_s = problem.normal("state_s", s, value_scale);
        std::vector<float>& state_z = problem.normal("state_z", z, row.scale);
        state_z[0] = -INFINITY; // a row that is empty, beside rows that are not
        if (!row.is_signed) std::fill_n(state_s.begin(), row.columns, -INFINITY);
    }
    std::vector<double> y(answers.element_count());
    std::vector<double> state_s(s.element_count());
    std::vector<double> state_z(z.element_count());
    LogReference(problem, row).run(y, state_s, state_z);
    const Tolerance of_y = row.is_signed ? mean_tolerance(row) : log_tolerance(row, y);
    const Tolerance of_s = row.is_signed ? mean_tolerance(row) : log_tolerance(row, state_s);
    problem.expect(row.is_signed ? "y" : "log_y", answers, of_y) = y;
    if (!expects_states) return;
    problem.expect("state_s", s, of_s) = state_s;
    problem.expect("state_z", z, log_tolerance(row, state_z)) = state_z;
}

Json attributes_of(const LogRow& row)
{
    Json attributes = Json::object();
    if (row.is_signed) attributes["signed"] = true;
    if (!row.is_causal) attributes["causal"] = false;
    return attributes;
}

// log_recurrence ---------------------------------------------------------------------------------------------------

struct RecurrenceRow {
    const char* name;
    uint32_t batch;
    uint32_t tokens;
    uint32_t channels;
    double scale = 1;
    double gate = 0; // mean of a: 10 forgets nothing in 1e4 tokens
    bool has_state = false;
    bool is_quick = true;
};

constexpr RecurrenceRow kRecurrenceRows[] = {
    {"t1_c1", 1, 1, 1},        {"t7_c63", 2, 7, 63, 1, 0, true},
    {"t3_c64", 1, 3, 64},      {"t5_c65", 3, 5, 65, 1, 0, true},
    {"extreme", 1, 40, 7, 60}, {"drift.t100000", 1, 100'000, 2, 1, 10, false, false},
};

/// 2e-6 sqrt(T) and 2e-6 of the largest logarithm. In 1e5 tokens a float logarithm that forgets little loses 1e-4.
void prepare_recurrence(Problem& problem, const RecurrenceRow& row)
{
    const Shape shape{row.batch, row.tokens, row.channels};
    problem.normal("a", shape, row.scale, row.gate);
    problem.normal("b", shape, row.scale);
    if (row.has_state) problem.normal("state", {row.batch, row.channels}, row.scale)[0] = -INFINITY;
    const std::vector<double> a = problem.doubles("a");
    const std::vector<double> b = problem.doubles("b");
    std::vector<double> last =
        row.has_state ? problem.doubles("state") : std::vector<double>(size_t{row.batch} * row.channels);
    std::vector<double> s(shape.element_count());
    double largest = 0;
    for (size_t i = 0; i < s.size(); ++i) {
        const size_t batch = i / (size_t{row.tokens} * row.channels);
        double& state = last[batch * row.channels + i % row.channels];
        state = twin::log_recurrence_step(a[i], b[i], state);
        s[i] = state;
        largest = std::max(largest, std::abs(state));
    }
    const double sums = row.tokens >= 100'000 ? 1.5e-4 : 2e-6 * std::sqrt(static_cast<double>(row.tokens));
    const Tolerance tolerance{0, 0, sums + 2e-6 * largest};
    problem.expect("s", shape, tolerance) = s;
    problem.expect("state", {row.batch, row.channels}, tolerance) = last;
}

// log_linear_attention ---------------------------------------------------------------------------------------------

struct LogLinearRow {
    const char* name;
    uint32_t batch;
    uint32_t tokens;
    uint32_t heads;
    uint32_t levels;
    uint32_t width;
    uint32_t columns;
    bool is_quick = true;
};

constexpr LogLinearRow kLogLinearRows[] = {
    {"t1_l1_d1_e1", 1, 1, 1, 1, 1, 1},       {"t13_l5_d5_e3", 2, 13, 3, 5, 5, 3},
    {"t16_l5_d8_e4", 1, 16, 1, 5, 8, 4},     // as many levels as 16 tokens need
    {"t17_l8_d63_e65", 1, 17, 2, 8, 63, 65}, // more than 17 need
    {"t4_l3_d64_e64", 2, 4, 1, 3, 64, 64},   {"t1030_l12_d16_e8", 1, 1030, 1, 12, 16, 8, false},
};

void prepare_log_linear(Problem& problem, const LogLinearRow& row)
{
    const Shape key{row.batch, row.tokens, row.heads, row.width};
    const Shape value{row.batch, row.tokens, row.heads, row.columns};
    problem.normal("q", key);
    problem.normal("k", key, 1 / std::sqrt(static_cast<double>(row.width)));
    problem.normal("v", value);
    problem.uniform("decay", {row.batch, row.tokens, row.heads}, -0.2, -0.001);
    problem.uniform("level_scale", {row.batch, row.tokens, row.heads, row.levels}, 0.1, 1.5);
    const std::vector<double> q = problem.doubles("q");
    const std::vector<double> k = problem.doubles("k");
    const std::vector<double> v = problem.doubles("v");
    const std::vector<double> decay = problem.doubles("decay");
    const std::vector<double> scales = problem.doubles("level_scale");
    const twin::LogLinearSize size{row.levels, row.width, row.columns};
    // Linear attention's tolerance; every level adds one rounding a token, as its one state does.
    std::vector<double>& o = problem.expect("o", value, {2e-6, 1e-5});
    for (uint32_t block = 0; block < row.batch * row.heads; ++block) {
        const auto at = [&](uint32_t t) {
            return (size_t{block / row.heads} * row.tokens + t) * row.heads + block % row.heads;
        };
        for (uint32_t t = 0; t < row.tokens; ++t) {
            twin::log_linear_attention(
                size, t, &q[at(t) * row.width], &scales[at(t) * row.levels],
                [&](uint32_t s) { return &k[at(s) * row.width]; }, [&](uint32_t s) { return &v[at(s) * row.columns]; },
                [&](uint32_t s) { return decay[at(s)]; }, 1.0, &o[at(t) * row.columns]);
        }
    }
}

} // namespace

Case log_attention_case(const LogAttentionSize& size)
{
    const LogRow row{"",           size.batch, size.tokens,    size.tokens, size.heads, size.width,
                     size.columns, 1,          size.is_signed, true,        false};
    return {fmt::format("log_attention.{}b{}_t{}_h{}_d{}_e{}.f32", size.is_signed ? "signed." : "", size.batch,
                        size.tokens, size.heads, size.width, size.columns),
            "log_attention", attributes_of(row),
            [row](Problem& problem) { prepare_log_attention(problem, row, false); }, false};
}

void add_log_attention_cases(std::vector<Case>& cases)
{
    for (const LogRow& row : kLogRows) {
        cases.push_back({fmt::format("log_attention.{}.f32", row.name), "log_attention", attributes_of(row),
                         [&row](Problem& problem) { prepare_log_attention(problem, row); }, row.is_quick});
    }
    for (const LogLinearRow& row : kLogLinearRows) {
        cases.push_back({fmt::format("log_linear_attention.{}.f32", row.name), "log_linear_attention", Json::object(),
                         [&row](Problem& problem) { prepare_log_linear(problem, row); }, row.is_quick});
    }
    for (const RecurrenceRow& row : kRecurrenceRows) {
        cases.push_back({fmt::format("log_recurrence.{}.f32", row.name), "log_recurrence", Json::object(),
                         [&row](Problem& problem) { prepare_recurrence(problem, row); }, row.is_quick});
    }
}

} // namespace gramian
