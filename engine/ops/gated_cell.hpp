// Gated recurrent cells: GRU and LSTM, with the weights and the order of gates of PyTorch.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

struct GatedCell {
    bool is_lstm = false;              // G = 4 gates (i, f, g, o), otherwise GRU: 3 (r, z, n)
    Tensor x;                          // [B, T, C]
    Tensor weight_ih;                  // weights, packed, floats or halves: [G M, C]
    Tensor weight_hh;                  // the same: [G M, M]
    const Tensor* bias_ih = nullptr;   // weights [G M]
    const Tensor* bias_hh = nullptr;   // weights [G M]
    Tensor y;                          // [B, T, M]: h of every token
    Tensor h;                          // [streams, M], afterwards
    const Tensor* c = nullptr;         // [streams, M], LSTM
    const Tensor* initial_h = nullptr; // like h, may be h; null: zeros. With it initial_c, of an LSTM
    const Tensor* initial_c = nullptr;
    SlotMap map; // B slots
};

/// GRU (Cho et al. 2014, arXiv:1406.1078; the reset gate acts on W h + b): r = s(W_r x + U_r h), z = s(W_z x + U_z h),
/// n = tanh(W_n x + r (U_n h)), h' = (1 - z) n + z h.
/// LSTM (Hochreiter & Schmidhuber 1997; Gers et al. 2000): c' = f c + i g, h' = o tanh(c').
/// M up to 1,024. Throws invalid_argument when the shapes disagree.
void gated_cell(Recorder& recorder, const GatedCell& cell);

} // namespace gramian
