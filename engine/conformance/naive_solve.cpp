#include "conformance/naive_solve.hpp"

#include "ops/ridge_solve_twin.hpp"
#include "shaders/naive_solve.h"
#include "spirv/naive_solve.h"

#include <algorithm>
#include <bit>

namespace gramian {
namespace {

const Shader kNaiveSolve{"naive_solve", naive_solve_spirv};

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::NaiveSolveParameters>();
    const uint32_t unknowns = launch.constants[0];
    const uint32_t columns = launch.constants[1];
    float* floats = launch.floats(Arena::state, 0);
    for (size_t b = 0; b < launch.groups[0]; ++b) {
        twin::ridge_solve<float>(floats + p.a + b * unknowns * unknowns, nullptr,
                                 floats + p.rhs + b * unknowns * columns, floats + p.x + b * unknowns * columns,
                                 unknowns, columns, p.alpha, true);
    }
}

} // namespace

bool NaiveSolve::fits(const Caps& caps, const Problem& problem)
{
    const Shape shape = problem.shape("rhs");
    return uint64_t{4} * shape[1] * (shape[1] + shape[2]) <= caps.max_shared_bytes && shape[0] <= caps.max_groups;
}

NaiveSolve::NaiveSolve(Device& device, const Problem& problem, float alpha) : shape_(problem.shape("rhs"))
{
    std::vector<float> values;
    for (const char* name : {"a", "rhs"}) {
        for (double value : problem.doubles(name)) values.push_back(static_cast<float>(value));
    }
    const auto a_count = static_cast<uint32_t>(problem.shape("a").element_count());
    const auto x = static_cast<uint32_t>(values.size());
    x_offset_ = uint64_t{4} * x;
    memory_ = device.allocate(MemoryKind::device, x_offset_ + 4 * shape_.element_count(), "naive solve");
    memory_->write(0, std::as_bytes(std::span<const float>(values)));
    Launch launch;
    const uint32_t lanes = std::clamp(std::bit_ceil(shape_[1]), 8U, 64U); // a row each, as long as that is possible
    launch.kernel = {&kNaiveSolve, {shape_[1], shape_[2], lanes}};
    launch.set_push(gpu::NaiveSolveParameters{0, a_count, x, alpha});
    launch.groups = {shape_[0], 1, 1};
    launch.reads = {{Arena::state, 0, x_offset_}};
    launch.writes = {{Arena::state, x_offset_, memory_->bytes() - x_offset_}};
    launch.host = on_host;
    LaunchList list;
    list.append(std::move(launch));
    Arenas arenas;
    arenas.memory[static_cast<size_t>(Arena::state)] = memory_.get();
    program_ = device.compile(list, arenas, {"naive solve", {}, {}, false});
}

std::vector<float> NaiveSolve::solution() const
{
    std::vector<float> x(shape_.element_count());
    memory_->read(x_offset_, std::as_writable_bytes(std::span<float>(x)));
    return x;
}

} // namespace gramian
