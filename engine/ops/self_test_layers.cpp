// The self-test of linear layers that share a launch: session/fusion.hpp makes such launches, no operator does.
#include "base/half.hpp"
#include "base/random.hpp"
#include "ops/half_weights.hpp"
#include "ops/linear.hpp"
#include "ops/self_test.hpp"

namespace gramian {
namespace {

constexpr uint32_t kRows = 5;
constexpr uint32_t kWidth = 19;
constexpr uint32_t kColumns = 7;
constexpr uint32_t kHidden = 70;

class Layers {
public:
    Layers(Recorder& recorder, ArenaLayout& weights, DType dtype)
        : recorder_(recorder), weights_(weights), dtype_(dtype), x_(recorder.temporary({kRows, kWidth})),
          other_(recorder.temporary({kRows, kColumns})), gain_(weights.take({kWidth})), bias_(weights.take({kColumns}))
    {
    }

    void add_siblings()
    {
        LinearBlock block = normalized();
        block.layers = {layer(kColumns, kWidth, Activation::silu), layer(kHidden, kWidth), layer(kColumns, kWidth)};
        linear_block(recorder_, block);
    }
    void add_sum()
    {
        LinearBlock block{.x = x_, .layers = {layer(kColumns, kWidth)}};
        block.other = other_;
        block.pairing = Pairing::sum;
        linear_block(recorder_, block);
    }
    void add_chain()
    {
        LinearBlock block = normalized();
        block.layers = {layer(kHidden, kWidth, Activation::silu), layer(kColumns, kHidden)};
        block.is_chain = true;
        block.other = other_;
        block.pairing = Pairing::product;
        linear_block(recorder_, block);
    }

private:
    // An arena of halves holds no numbers in fp32.
    [[nodiscard]] bool has_floats() const { return dtype_ == DType::f32; }

    [[nodiscard]] LinearBlock normalized() const
    {
        LinearBlock block{.x = x_, .norm = NormForm{Norm::layer, 1e-5F}, .layers = {}};
        if (has_floats()) block.gain = &gain_;
        return block;
    }
    LinearLayer layer(uint32_t columns, uint32_t width, Activation activation = Activation::identity)
    {
        Tensor weight = weights_.take({columns, ceil_div(width, 4) * 4});
        weight.shape = {columns, width};
        weight.dtype = dtype_;
        const bool has_bias = has_floats() && columns == kColumns;
        return {weight, has_bias ? &bias_ : nullptr, recorder_.temporary({kRows, columns}), activation};
    }

    Recorder& recorder_;
    ArenaLayout& weights_;
    DType dtype_;
    Tensor x_, other_, gain_, bias_;
};

} // namespace

SelfTestLayers self_test_layers(const Caps& caps, DType dtype)
{
    SelfTestLayers made;
    ArenaLayout weights(Arena::weights);
    ArenaLayout activations(Arena::activations);
    Recorder recorder{made.list, caps, activations};
    Layers layers(recorder, weights, dtype);
    layers.add_siblings();
    layers.add_sum();
    if (suits_chain(caps, UINT32_MAX, dtype == DType::f16)) layers.add_chain();

    Random random(1);
    const auto half = [&] { return uint32_t{float_to_half(kHalfScale * static_cast<float>(random.uniform(-1, 1)))}; };
    made.weights.resize(weights.bytes() / 4);
    for (uint32_t& word : made.weights) {
        word = dtype == DType::f16 ? half() | half() << 16U
                                   : std::bit_cast<uint32_t>(static_cast<float>(random.uniform(-1, 1)));
    }
    made.activations.resize(activations.bytes() / 4);
    for (float& value : made.activations) value = static_cast<float>(random.uniform(-1, 1));
    return made;
}

} // namespace gramian
