// Log-space attention: linear attention with the feature map exp whose sums and values live as logarithms, so that
// nothing overflows, at a constant cost a token.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// What one call is made of. Inside, a sum of exponentials is a pair (e, s) for s 2^e; s = 0: nothing summed.
/// The fraction of e is what s rounded off (ScaledSum).
struct LogAttention {
    Tensor q;                          // [B, T, H, D]
    Tensor k;                          // [B, T, H, D]
    Tensor v;                          // [B, T, H, E]: log v, or v where signed
    Tensor y;                          // [B, T, H, E]: log y, or y where signed
    Tensor state;                      // [streams, H, D, 2, E] exponents, sums; signed: [streams, H, D, E]
    Tensor state_z;                    // [streams, H, 2, D] exponents, sums
    const Tensor* initial = nullptr;   // like state, may be state; null: empty, initial_z too
    const Tensor* initial_z = nullptr; // like state_z
    bool is_signed = false;
    SlotMap map;        // B slots
    uint32_t first = 0; // tokens first .. first + count - 1 of the T
    uint32_t count = 0;
};

/// S_ij += e^(k_i + log v_j);  Z_i += e^k_i;  log y_j = log sum_i e^q_i S_ij - log sum_i e^q_i Z_i, token by token.
/// Heinsen 2024 (arXiv:2404.05843). Signed: S_ij = sum e^k_i v_j, relative to the exponent of Z_i, and y itself.
/// Throws invalid_argument when the shapes disagree, unsupported for D above 768.
void log_attention(Recorder& recorder, const LogAttention& attention);
/// The writing alone: q and y are not used.
void log_attention_write(Recorder& recorder, const LogAttention& attention);
/// The reading alone, of the state as it stands: k and v are not used, nor is `initial`.
void log_attention_read(Recorder& recorder, const LogAttention& attention);

/// Between logarithms [R, C] and pairs [R, 2, C], all of them activations. R: all extents but the last one.
void logs_to_pairs(Recorder& recorder, const Tensor& logs, const Tensor& pairs);
void pairs_to_logs(Recorder& recorder, const Tensor& pairs, const Tensor& logs);
/// Between the signed sums of a state and their means, both [B, H, D, E]. z: the pairs [B, H, 2, D] of their rows; when
/// means become sums, z comes from logs_to_pairs.
void means_to_sums(Recorder& recorder, const Tensor& means, const Tensor& z, const Tensor& sums);
void sums_to_means(Recorder& recorder, const Tensor& sums, const Tensor& z, const Tensor& means);

/// Whether log_attention, for D and E of 16, 32, 64 and 128, uses the kernel for drivers that run on a processor.
bool log_attention_shares_by_subgroup(const Caps& caps);

} // namespace gramian
