// A program of a few launches with its arenas, for tests of programs.
#pragma once

#include "base/random.hpp"
#include "device/device.hpp"
#include "ops/linear.hpp"
#include "ops/pointwise.hpp"

namespace gramian {

/// y = tanh(W x) for `rows` rows of `width` channels, x and y in the io arena.
struct Example {
    Tensor x, y;
    std::unique_ptr<Memory> weights, activations, io;
    std::unique_ptr<Program> program;

    Example(Device& device, uint32_t rows, uint32_t width, uint32_t repeats = 1, bool profile = false)
    {
        ArenaLayout weight_layout(Arena::weights);
        ArenaLayout activation_layout(Arena::activations);
        ArenaLayout io_layout(Arena::io);
        Random random(11);
        std::vector<float> values(size_t{width} * width);
        for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
        values = pack_linear_weight(values, width, width); // padded: more than width * width
        Tensor weight = weight_layout.take({static_cast<uint32_t>(values.size())});
        weight.shape = {width, width};
        x = io_layout.take({rows, width});
        const IoRange inputs{0, io_layout.bytes()};
        y = io_layout.take({rows, width});
        const IoRange outputs{inputs.bytes, io_layout.bytes() - inputs.bytes};
        LaunchList list;
        Recorder recorder{list, device.caps(), activation_layout};
        const Tensor between = recorder.temporary({rows, width});
        for (uint32_t i = 0; i < repeats; ++i) linear(recorder, x, weight, nullptr, between, Activation::identity);
        PointwiseOperands operands;
        operands.activation = Activation::tanh;
        pointwise(recorder, Pointwise::activate, between, operands, y);

        weights = device.allocate(MemoryKind::device, weight_layout.bytes(), "example weights");
        activations = device.allocate(MemoryKind::device, activation_layout.bytes(), "example activations");
        io = device.allocate(MemoryKind::io, io_layout.bytes(), "example io");
        weights->write(0, std::as_bytes(std::span<const float>(values)));
        float* in = reinterpret_cast<float*>(io->mapped()) + x.offset;
        for (size_t i = 0; i < x.element_count(); ++i) in[i] = static_cast<float>(random.uniform(-0.1, 0.1));
        program = device.compile(list, Arenas{{weights.get(), nullptr, activations.get(), io.get()}},
                                 {"example", inputs, outputs, profile});
    }
    [[nodiscard]] std::vector<float> answer() const
    {
        const float* out = reinterpret_cast<const float*>(io->mapped()) + y.offset;
        return {out, out + y.element_count()};
    }
};

} // namespace gramian
