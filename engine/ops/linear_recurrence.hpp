// The general linear recurrence: linear attention, retention, gated linear attention, Mamba-2, RWKV-6, RWKV-7, the
// delta rule and its gated relatives are settings of it.
#pragma once

#include "ops/activation.hpp"
#include "ops/recorder.hpp"

namespace gramian {

enum class EraseRule : uint32_t { none, delta, general };

/// What one recurrence is made of. Optional tensors are null where they are not given; what they mean is the
/// equation at `linear_recurrence`.
struct LinearRecurrence {
    Tensor q;                            // [B, T, H, F]
    Tensor k;                            // [B, T, H, F]
    Tensor v;                            // [B, T, H, E]
    Tensor o;                            // [B, T, H, E]
    Tensor state;                        // [streams, H, F, E]
    const Tensor* state_z = nullptr;     // [streams, H, F]: normalised
    const Tensor* initial = nullptr;     // like state, may be state; null: zeros
    const Tensor* initial_z = nullptr;   // like state_z
    const Tensor* decay = nullptr;       // [B, T, H] or [B, T, H, F]: log decay
    const Tensor* head_factor = nullptr; // weights [H]: a factor of the decay
    const Tensor* head_decay = nullptr;  // weights [H]: its logarithm
    const Tensor* beta = nullptr;        // [B, T, H] or [B, T, H, F]
    const Tensor* erase_read = nullptr;  // [B, T, H, F]
    const Tensor* erase_write = nullptr; // [B, T, H, F]
    const Tensor* value_gain = nullptr;  // [B, T, H, E]
    const Tensor* bonus = nullptr;       // weights [H, F]
    Feature feature = Feature::identity;
    EraseRule rule = EraseRule::none;
    bool is_neg_exp = false;   // the decay is e^(-e^decay)
    bool erases_pre = false;   // e is read before the decay
    bool writes_plain = false; // W = k, not beta k
    bool reads_before = false; // o is read before the write, with the bonus
    float scale = 1;
    float epsilon = 0;
    float denominator_min = 0;
    SlotMap map;        // B slots
    uint32_t first = 0; // tokens first .. first + count - 1 of the T
    uint32_t count = 0;
};

/// R = e^g S;  e = R^T a (post) or S^T a (pre);  S' = R + b e^T + W (w * v)^T;  z' = e^g z + W
/// o = scale S'^T q, or with reads_before scale (S + diag(u) W (w * v)^T)^T q; normalised: divided by
/// scale z'.q + epsilon (z + u W before). W = beta f(k), or f(k) if plain; delta: a = -beta f(k), b = f(k).
/// Yang et al. 2024 (arXiv:2406.06484) and the papers of the presets. F up to 1,024 when normalised.
/// Throws invalid_argument when the shapes disagree.
void linear_recurrence(Recorder& recorder, const LinearRecurrence& recurrence);

/// Whether a subgroup takes whole columns of the state, which stay in its registers: fast where a subgroup is a vector
/// of a processor, too many registers for a GPU.
bool shares_by_subgroup(const Caps& caps);

} // namespace gramian
