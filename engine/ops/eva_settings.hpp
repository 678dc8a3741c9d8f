// What the attributes of `eva` say: how a sequence or grid is cut into windows and chunks, and the buckets of its bias.
#pragma once

#include "ops/chunk_means.hpp"
#include "ops/operator.hpp"

namespace gramian {

enum class EvaProjection : uint32_t { qk, no_ln, none };
enum class EvaBias : uint32_t { none, t5, table };

struct EvaSettings {
    bool is_causal = false;
    bool excludes_local = false;
    uint32_t window = 1;         // side
    uint32_t window_overlap = 0; // tokens of its neighbours on both sides that a window reaches into
    EvaProjection projection = EvaProjection::qk;
    EvaBias relative = EvaBias::none;
    Chunking chunking;
};

/// For sequences of this many tokens. Throws (with the attributes' status) on attributes that do not go together, by
/// name.
EvaSettings eva_settings(const Attributes& attributes, uint32_t tokens);

/// Rows of a t5 table: half the tokens of a window and its overlap, from 16 to 64.
uint32_t eva_bucket_count(const EvaSettings& settings);

/// The row of a t5 table for a key `relative` tokens after its query (Raffel et al. 2020, arXiv:1910.10683).
uint32_t eva_bucket(int32_t relative, const EvaSettings& settings);

/// Tokens that a stream may have, and so the summaries that it has room for: attribute `capacity`, 4,096 by default.
uint32_t eva_capacity(const Attributes& attributes);

// The maps mu_q.* and mu_k.* of EVA and LARA -------------------------------------------------------------------------

/// Throws invalid_argument, naming the port, unless it is given with one of these shapes.
void require_shape(const Tensors& in, const std::string& port, std::initializer_list<Shape> allowed);

/// `name`.weight [D, D], .bias [D] and, with a norm, .norm.weight and .norm.bias [D]: the same of all heads.
void check_chunk_map(const Tensors& in, const std::string& name, uint32_t width, bool has_norm);
ChunkMap chunk_map_of(const Tensors& in, const std::string& name, bool has_norm);

/// As kernels read a matrix: neighbouring lanes read neighbouring weights.
std::vector<float> transposed(std::span<const float> weight, const Shape& shape);

} // namespace gramian
