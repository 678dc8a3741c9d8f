#include "ops/linear_attention_chunked_host.hpp"

#include "ops/feature_map_twin.hpp"
#include "ops/linear_recurrence.hpp"
#include "shaders/linear_attention_chunk.h"

#include <cmath>

namespace gramian::chunked {
namespace {

/// One stream and head, with the parts of a chunk's cell as the kernels lay them out.
class Head {
public:
    Head(const HostLaunch& launch, uint32_t slot, uint32_t head)
        : p(launch.parameters<gpu::LinearAttentionChunkParameters>()), c(launch.constants), launch_(launch),
          slot_(slot), head_(head), length_(c[kChunk]), width_(c[kWidth])
    {
        const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
        stream_ = p.streams == kNone ? slot : words[p.streams + slot];
        const uint32_t held = stream_ == kNone ? 0 : p.counts == kNone ? p.tokens : words[p.counts + slot];
        end_ = std::min(held, p.first + p.count);
    }

    [[nodiscard]] uint32_t tokens_of(uint32_t chunk) const
    {
        const uint32_t start = p.first + chunk * length_;
        return end_ > start ? std::min(length_, end_ - start) : 0;
    }

    void sum_decays(uint32_t chunk)
    {
        float* cell = cell_of(chunk);
        const uint32_t count = tokens_of(chunk);
        for (uint32_t i = 0; i < width_; ++i) {
            double sum = 0; // the kernel's pair of floats, here one number
            for (uint32_t r = 0; r < count; ++r) {
                const double before = sum;
                sum += log_decay(token_of(chunk, r), i);
                row(cell, 0, r)[i] = static_cast<float>(sum);
                row(cell, 1, r)[i] = static_cast<float>(sum - static_cast<double>(row(cell, 0, r)[i]));
                row(cell, 2, r)[i] = query(token_of(chunk, r), i) * decayed(c[kReadsBefore] ? before : sum);
                row(cell, 3, r)[i] = erase_read(token_of(chunk, r), i) * decayed(c[kErasesPre] ? before : sum);
            }
            for (uint32_t r = 0; r < count; ++r) {
                const float left = decayed(sum - sum_at(cell, r, i));
                row(cell, 4, r)[i] = written(token_of(chunk, r), i) * left;
                row(cell, 5, r)[i] = erase_write(token_of(chunk, r), i) * left;
            }
            factors(cell)[i] = decayed(sum);
        }
    }

    void score(uint32_t chunk)
    {
        float* cell = cell_of(chunk);
        for (uint32_t r = 0; r < tokens_of(chunk); ++r) {
            for (uint32_t s = 0; s <= r; ++s) score_pair(cell, token_of(chunk, r), token_of(chunk, s), r, s);
        }
    }

    void carry(uint32_t chunk, float* state)
    {
        float* cell = cell_of(chunk);
        const uint32_t count = tokens_of(chunk);
        std::copy_n(state, width_ * p.columns, border(cell));
        for (uint32_t j = 0; j < p.columns; ++j) {
            for (uint32_t r = 0; r < count && c[kRule] > 0; ++r) {
                float sum = 0;
                for (uint32_t i = 0; i < width_; ++i) sum += row(cell, 3, r)[i] * state[i * p.columns + j];
                for (uint32_t s = 0; s < r; ++s) {
                    sum += *score_at(cell, 2, r, s) * value(token_of(chunk, s), j) +
                           *score_at(cell, 3, r, s) * erased(cell, s)[j];
                }
                erased(cell, r)[j] = sum;
            }
            for (uint32_t i = 0; i < width_; ++i) {
                float sum = factors(cell)[i] * state[i * p.columns + j];
                for (uint32_t s = 0; s < count; ++s) {
                    sum += row(cell, 4, s)[i] * value(token_of(chunk, s), j);
                    if (c[kRule] > 0) sum += row(cell, 5, s)[i] * erased(cell, s)[j];
                }
                state[i * p.columns + j] = sum;
            }
        }
    }

    void answer(uint32_t chunk)
    {
        float* cell = cell_of(chunk);
        for (uint32_t r = 0; r < tokens_of(chunk); ++r) {
            float* o = launch_.floats(c[kOArena], p.o) + token_of(chunk, r) * p.columns;
            for (uint32_t j = 0; j < p.columns; ++j) {
                float sum = 0;
                for (uint32_t i = 0; i < width_; ++i) sum += row(cell, 2, r)[i] * border(cell)[i * p.columns + j];
                for (uint32_t s = 0; s <= r; ++s) {
                    sum += *score_at(cell, 0, r, s) * value(token_of(chunk, s), j);
                    if (c[kRule] > 0) sum += *score_at(cell, 1, r, s) * erased(cell, s)[j];
                }
                o[j] = p.scale * sum;
            }
        }
    }

    /// The state of this head in its final place, where the first chunk of a launch brings what came before.
    float* take_state(bool is_first)
    {
        const size_t size = size_t{width_} * p.columns;
        const size_t at = (size_t{stream_} * p.heads + head_) * size;
        float* state = launch_.floats(c[kStateArena], p.state) + at;
        if (!is_first) return state;
        if (!c[kHasInitial])
            std::fill_n(state, size, 0.0F);
        else if (p.initial != p.state)
            std::copy_n(launch_.floats(c[kStateArena], p.initial) + at, size, state);
        return state;
    }

    const gpu::LinearAttentionChunkParameters p;
    const std::span<const uint32_t> c;

private:
    static float decayed(double log_decay) { return static_cast<float>(std::exp(log_decay)); }

    [[nodiscard]] size_t token_of(uint32_t chunk, uint32_t r) const
    {
        return (size_t{slot_} * p.tokens + p.first + chunk * length_ + r) * p.heads + head_;
    }
    [[nodiscard]] float* cell_of(uint32_t chunk) const
    {
        const size_t size = size_t{6} * length_ * width_ + size_t{4} * length_ * length_ + width_ +
                            (size_t{width_} + length_) * p.columns;
        return launch_.floats(Arena::activations, p.cells) +
               ((size_t{slot_} * p.heads + head_) * p.chunks + chunk) * size;
    }
    [[nodiscard]] float* row(float* cell, uint32_t part, uint32_t r) const
    {
        return cell + (size_t{part} * length_ + r) * width_;
    }
    [[nodiscard]] float* score_at(float* cell, uint32_t kind, uint32_t r, uint32_t s) const
    {
        return cell + size_t{6} * length_ * width_ + (size_t{kind} * length_ + r) * length_ + s;
    }
    [[nodiscard]] float* factors(float* cell) const { return score_at(cell, 4, 0, 0); }
    [[nodiscard]] float* border(float* cell) const { return factors(cell) + width_; }
    [[nodiscard]] float* erased(float* cell, uint32_t r) const
    {
        return border(cell) + (size_t{width_} + r) * p.columns;
    }
    [[nodiscard]] double sum_at(float* cell, uint32_t r, uint32_t i) const
    {
        return static_cast<double>(row(cell, 0, r)[i]) + static_cast<double>(row(cell, 1, r)[i]);
    }

    void score_pair(float* cell, size_t later, size_t earlier, uint32_t r, uint32_t s) const
    {
        float sums[4] = {};
        for (uint32_t i = 0; i < width_; ++i) {
            const double from = sum_at(cell, s, i);
            const float now = decayed(sum_at(cell, r, i) - from);
            const float before = r > s ? decayed(sum_at(cell, r - 1, i) - from) : 0.0F;
            const float q = query(later, i);
            const float read = q * (c[kReadsBefore] ? before : now);
            const float bonus = c[kHasBonus] ? launch_.floats(Arena::weights, p.bonus)[head_ * width_ + i] : 0.0F;
            const float a = r > s ? erase_read(later, i) * (c[kErasesPre] ? before : now) : 0.0F;
            sums[0] += (c[kReadsBefore] && r == s ? q * bonus : read) * written(earlier, i);
            sums[1] += read * erase_write(earlier, i);
            sums[2] += a * written(earlier, i);
            sums[3] += a * erase_write(earlier, i);
        }
        for (uint32_t kind = 0; kind < 4; ++kind) *score_at(cell, kind, r, s) = sums[kind];
    }

    [[nodiscard]] float activation(uint32_t offset, size_t at) const
    {
        return launch_.floats(Arena::activations, offset)[at];
    }
    [[nodiscard]] float log_decay(size_t token, uint32_t i) const
    {
        float g = 0;
        if (c[kDecay] > 0) g = activation(p.decay, c[kDecay] == 2 ? token * width_ + i : token);
        if (c[kDecay] > 0 && c[kIsNegExp]) g = -std::exp(g);
        if (c[kHasHeadDecay]) g += launch_.floats(Arena::weights, p.head_decay)[head_];
        return std::max(g, -200.0F); // e^-200 is 0 in float; infinities have no differences
    }
    [[nodiscard]] float featured(float x) const { return twin::feature(static_cast<Feature>(c[kFeature]), x); }
    [[nodiscard]] float query(size_t token, uint32_t i) const
    {
        return featured(launch_.floats(c[kQArena], p.q)[token * width_ + i]);
    }
    [[nodiscard]] float key(size_t token, uint32_t i) const
    {
        return featured(launch_.floats(c[kKArena], p.k)[token * width_ + i]);
    }
    [[nodiscard]] float beta(size_t token, uint32_t i) const
    {
        return c[kBeta] == 0 ? 1.0F : activation(p.beta, c[kBeta] == 2 ? token * width_ + i : token);
    }
    [[nodiscard]] float written(size_t token, uint32_t i) const
    {
        return c[kWritesPlain] ? key(token, i) : beta(token, i) * key(token, i);
    }
    [[nodiscard]] float erase_read(size_t token, uint32_t i) const
    {
        if (c[kRule] == 0) return 0;
        return c[kRule] == 1 ? -beta(token, i) * key(token, i) : activation(p.erase_read, token * width_ + i);
    }
    [[nodiscard]] float erase_write(size_t token, uint32_t i) const
    {
        if (c[kRule] == 0) return 0;
        return c[kRule] == 1 ? key(token, i) : activation(p.erase_write, token * width_ + i);
    }
    [[nodiscard]] float value(size_t token, uint32_t j) const
    {
        const float v = launch_.floats(c[kVArena], p.v)[token * p.columns + j];
        return c[kHasGain] ? v * activation(p.value_gain, token * p.columns + j) : v;
    }

    const HostLaunch& launch_;
    uint32_t slot_;
    uint32_t head_;
    uint32_t length_;
    uint32_t width_;
    uint32_t stream_ = 0;
    uint32_t end_ = 0;
};

template <class Work>
void for_each_chunk(const HostLaunch& launch, Work work)
{
    for (uint32_t slot = 0; slot < launch.groups[2]; ++slot) {
        for (uint32_t index = 0; index < launch.groups[1]; ++index) {
            Head head(launch, slot, index);
            for (uint32_t chunk = 0; chunk < head.p.chunks && head.tokens_of(chunk) > 0; ++chunk) work(head, chunk);
        }
    }
}

} // namespace

void decay_on_host(const HostLaunch& launch)
{
    for_each_chunk(launch, [](Head& head, uint32_t chunk) { head.sum_decays(chunk); });
}

void scores_on_host(const HostLaunch& launch)
{
    for_each_chunk(launch, [](Head& head, uint32_t chunk) { head.score(chunk); });
}

void states_on_host(const HostLaunch& launch)
{
    for_each_chunk(launch, [](Head& head, uint32_t chunk) {
        if (chunk < head.p.first_chunk || chunk >= head.p.first_chunk + head.p.chunk_count) return;
        head.carry(chunk, head.take_state(chunk == head.p.first_chunk));
    });
}

void outputs_on_host(const HostLaunch& launch)
{
    for_each_chunk(launch, [](Head& head, uint32_t chunk) { head.answer(chunk); });
}

} // namespace gramian::chunked
