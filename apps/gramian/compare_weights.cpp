#include "compare_weights.hpp"

#include <cmath>
#include <numeric>

namespace gramian::app {
namespace {

/// The first `tokens` of each sequence, [B, tokens, row].
std::vector<float> first_tokens(const std::vector<float>& all, const AttentionTrace& trace, uint32_t tokens, size_t row)
{
    std::vector<float> part;
    for (uint32_t b = 0; b < trace.batch; ++b) {
        const auto from = all.begin() + static_cast<ptrdiff_t>(size_t{b} * trace.tokens * row);
        part.insert(part.end(), from, from + static_cast<ptrdiff_t>(tokens * row));
    }
    return part;
}

/// Channel e of the values of key first + e is 1, in every head: [B, tokens, H, E].
std::vector<float> key_marks(const AttentionTrace& trace, uint32_t tokens, uint32_t first)
{
    const size_t row = size_t{trace.heads} * trace.columns;
    std::vector<float> values(trace.batch * tokens * row);
    for (uint32_t b = 0; b < trace.batch; ++b) {
        for (uint32_t e = 0; e < trace.columns && first + e < tokens; ++e) {
            float* token = values.data() + (size_t{b} * tokens + first + e) * row;
            for (uint32_t h = 0; h < trace.heads; ++h) token[h * trace.columns + e] = 1;
        }
    }
    return values;
}

} // namespace

double weight_error(SessionHandle& session, const AttentionTrace& trace)
{
    const uint32_t tokens = std::min(trace.tokens, kWeighedTokens);
    const size_t row = size_t{trace.heads} * trace.columns;
    const std::vector<float> q = first_tokens(trace.q, trace, tokens, size_t{trace.heads} * trace.width);
    const std::vector<float> k = first_tokens(trace.k, trace, tokens, size_t{trace.heads} * trace.width);
    std::vector<float> o(trace.batch * tokens * row);
    std::vector<uint32_t> streams(trace.batch);
    std::iota(streams.begin(), streams.end(), 0U);
    const std::vector<uint32_t> counts(trace.batch, tokens);
    double sum = 0;
    for (uint32_t first = 0; first < tokens; first += trace.columns) {
        const std::vector<float> v = key_marks(trace, tokens, first);
        const float* in[] = {q.data(), k.data(), v.data()};
        float* out[] = {o.data()};
        session.reset();
        session.prefill(streams, counts, in, out);
        for (uint32_t b = 0; b < trace.batch; ++b) {
            for (uint32_t t = 0; t < tokens; ++t) {
                for (uint32_t h = 0; h < trace.heads; ++h) {
                    const std::vector<double> p = exact_weights(trace, Kernel::exp, b, t, h);
                    const float* found = o.data() + (size_t{b} * tokens + t) * row + size_t{h} * trace.columns;
                    for (uint32_t e = 0; e < trace.columns && first + e < tokens; ++e) {
                        const uint32_t n = first + e;
                        sum += std::abs(static_cast<double>(found[e]) - (n <= t ? p[n] : 0));
                    }
                }
            }
        }
    }
    session.reset();
    return sum / (static_cast<double>(trace.batch) * tokens * trace.heads);
}

} // namespace gramian::app
