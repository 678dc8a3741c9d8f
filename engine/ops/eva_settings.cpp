#include "ops/eva_settings.hpp"

#include <cmath>

namespace gramian {
namespace {

constexpr std::string_view kProjections[] = {"qk", "no_ln", "none"};
constexpr std::string_view kRelatives[] = {"none", "t5", "table"};
constexpr uint32_t kMostTokens = 1U << 24;
constexpr uint32_t kDefaultCapacity = 4'096;

[[noreturn]] void refuse(const Attributes& attributes, const std::string& what)
{
    raise(attributes.status(), "{}: {}", attributes.where(), what);
}

/// Windows and chunks are squares of a grid of height x width tokens.
void cut_grid(const Attributes& attributes, uint32_t tokens, EvaSettings& s)
{
    const std::vector<uint32_t> sides = attributes.counts("grid");
    if (sides.size() != 2 || uint64_t{sides[0]} * sides[1] != tokens) {
        refuse(attributes, fmt::format("attribute 'grid': expected [h, w] with h w = T = {}", tokens));
    }
    if (attributes.flag("overlap", false) || s.relative == EvaBias::t5) {
        refuse(attributes, "a grid has neither 'overlap' nor relative 't5'");
    }
    s.chunking.grid = sides[1];
    if (attributes.has("chunk")) {
        s.chunking.side = attributes.count("chunk", 0, 1, kMostTokens);
    } else {
        const uint32_t landmarks = attributes.count("landmarks", 0, 1, tokens);
        s.chunking.side = static_cast<uint32_t>(std::sqrt(static_cast<double>(tokens / landmarks)));
    }
    for (const uint32_t side : {s.window, s.chunking.side}) {
        if (sides[0] % side != 0 || sides[1] % side != 0) {
            refuse(attributes,
                   fmt::format("squares of side {} do not divide the grid {} x {}", side, sides[0], sides[1]));
        }
    }
    s.chunking.count = tokens / (s.chunking.side * s.chunking.side);
}

void cut_causal(const Attributes& attributes, uint32_t tokens, EvaSettings& s)
{
    if (!attributes.has("chunk") || s.relative == EvaBias::table || s.projection == EvaProjection::none) {
        refuse(attributes, "causal needs 'chunk', and has no relative 'table' and no projection 'none'");
    }
    s.chunking.side = attributes.count("chunk", 0, 1, kMostTokens);
    if (s.window % s.chunking.side != 0) {
        refuse(attributes,
               fmt::format("attribute 'chunk': {} does not divide the window of {}", s.chunking.side, s.window));
    }
    if (attributes.flag("overlap", false)) s.window_overlap = s.window;
    s.chunking.count = ceil_div(tokens, s.chunking.side);
}

void cut_sequence(const Attributes& attributes, uint32_t tokens, EvaSettings& s)
{
    const uint32_t padded = ceil_div(tokens, s.window) * s.window;
    const char* name = attributes.has("chunk") ? "chunk" : "landmarks";
    const uint32_t number = attributes.count(name, 0, 1, kMostTokens);
    if (padded % number != 0) {
        refuse(attributes, fmt::format("attribute '{}': {} does not divide {}, the {} tokens padded to whole windows",
                                       name, number, padded, tokens));
    }
    s.chunking.side = attributes.has("chunk") ? number : padded / number;
    s.chunking.count = padded / s.chunking.side;
    if (attributes.flag("overlap", false)) s.window_overlap = std::max(1U, s.window / 2);
    s.chunking.overlap = s.window_overlap;
}

} // namespace

EvaSettings eva_settings(const Attributes& attributes, uint32_t tokens)
{
    EvaSettings s;
    s.is_causal = attributes.flag("causal", false);
    s.excludes_local = attributes.flag("exclude_local", false);
    s.projection = static_cast<EvaProjection>(attributes.choice("projection", kProjections, 0));
    s.relative = static_cast<EvaBias>(attributes.choice("relative", kRelatives, 0));
    if (!attributes.has("window")) refuse(attributes, "attribute 'window' is missing");
    s.window = attributes.count("window", 0, 1, kMostTokens);
    if (attributes.has("chunk") == attributes.has("landmarks")) {
        refuse(attributes, "expected one of the attributes 'chunk' and 'landmarks'");
    }
    if (s.is_causal && attributes.has("grid")) refuse(attributes, "causal has no 'grid'");
    if (attributes.has("grid"))
        cut_grid(attributes, tokens, s);
    else if (s.is_causal)
        cut_causal(attributes, tokens, s);
    else
        cut_sequence(attributes, tokens, s);
    return s;
}

uint32_t eva_bucket_count(const EvaSettings& settings)
{
    return std::clamp((settings.window + settings.window_overlap) / 2, 16U, 64U);
}

uint32_t eva_bucket(int32_t relative, const EvaSettings& settings)
{
    uint32_t buckets = eva_bucket_count(settings);
    uint32_t base = 0;
    uint32_t distance = relative < 0 ? static_cast<uint32_t>(-relative) : 0;
    if (!settings.is_causal) {
        buckets /= 2;
        if (relative > 0) {
            base = buckets;
            distance = static_cast<uint32_t>(relative);
        }
    }
    const uint32_t exact = buckets / 2;
    if (distance < exact) return base + distance;
    // The logarithm is one of floats, as in the published code: distances at the border of two buckets depend on it.
    const uint32_t most = settings.window + settings.window_overlap;
    const auto range = static_cast<float>(std::log(static_cast<double>(most) / exact));
    if (!(range > 0)) return base + buckets - 1; // a window that ends where the buckets widen
    const float part = std::log(static_cast<float>(distance) / static_cast<float>(exact)) / range;
    const auto further = static_cast<uint32_t>(part * static_cast<float>(buckets - exact));
    return base + std::min(exact + further, buckets - 1);
}

uint32_t eva_capacity(const Attributes& attributes)
{
    return attributes.count("capacity", kDefaultCapacity, 1, kMostTokens);
}

void require_shape(const Tensors& in, const std::string& port, std::initializer_list<Shape> allowed)
{
    const Tensor* given = in.find(port);
    if (given && std::find(allowed.begin(), allowed.end(), given->shape) != allowed.end()) return;
    std::string texts;
    for (const Shape& shape : allowed) texts += (texts.empty() ? "" : " or ") + shape.text();
    raise(Status::invalid_argument, "{}: expected {}, found {}", port, texts, given ? given->shape.text() : "nothing");
}

void check_chunk_map(const Tensors& in, const std::string& name, uint32_t width, bool has_norm)
{
    require_shape(in, name + ".weight", {{width, width}});
    require_shape(in, name + ".bias", {{width}});
    for (const char* part : {".norm.weight", ".norm.bias"}) {
        if (has_norm) require_shape(in, name + part, {{width}});
    }
}

ChunkMap chunk_map_of(const Tensors& in, const std::string& name, bool has_norm)
{
    return {in.find(name + ".weight"), in.find(name + ".bias"), has_norm ? in.find(name + ".norm.weight") : nullptr,
            has_norm ? in.find(name + ".norm.bias") : nullptr};
}

std::vector<float> transposed(std::span<const float> weight, const Shape& shape)
{
    std::vector<float> packed(weight.size());
    if (shape.rank() != 2) return packed; // refused by the operator's shape rule
    for (uint32_t i = 0; i < shape[0]; ++i) {
        for (uint32_t j = 0; j < shape[1]; ++j) packed[size_t{j} * shape[0] + i] = weight[size_t{i} * shape[1] + j];
    }
    return packed;
}

} // namespace gramian
