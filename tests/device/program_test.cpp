// Programs: submitting, waiting, and the same bits every time.
#include "device/example_program.hpp"
#include "refused.hpp"
#include "test_device.hpp"

#include <algorithm>
#include <cstring>
#include <thread>

using namespace gramian;

namespace {

bool same_bits(const std::vector<float>& a, const std::vector<float>& b)
{
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), 4 * a.size()) == 0;
}

} // namespace

TEST_CASE("program: 20 runs give the same bits")
{
    Example example(test_device(), 37, 65);
    example.program->run();
    const std::vector<float> first = example.answer();
    CHECK(std::any_of(first.begin(), first.end(), [](float value) { return value != 0; }));
    for (int run = 1; run < 20; ++run) {
        std::memset(example.io->mapped() + example.y.slice().offset, 0xff, example.y.bytes());
        example.program->run();
        CHECK(same_bits(example.answer(), first));
    }
}

TEST_CASE("program: another program of the same list on the same device gives the same bits")
{
    Example one(test_device(), 37, 65);
    Example two(test_device(), 37, 65);
    one.program->run();
    two.program->run();
    CHECK(same_bits(one.answer(), two.answer()));
}

TEST_CASE("program: reads what the host wrote since the last run")
{
    Example example(test_device(), 2, 8);
    example.program->run();
    const std::vector<float> before = example.answer();
    std::memset(example.io->mapped() + example.x.slice().offset, 0, example.x.bytes());
    example.program->run();
    CHECK_FALSE(same_bits(example.answer(), before));
    CHECK(example.answer() == std::vector<float>(16, 0.0F)); // tanh(W 0): exactly 0
}

TEST_CASE("program: submitting again without waiting is refused, and the first submit still counts")
{
    Example example(test_device(), 5, 16);
    example.program->run();
    const std::vector<float> expected = example.answer();
    std::memset(example.io->mapped() + example.y.slice().offset, 0, example.y.bytes());
    example.program->submit();
    refused(Status::invalid_argument, "example: submitted again", [&] { example.program->submit(); });
    example.program->wait();
    CHECK(same_bits(example.answer(), expected));
    example.program->run();
    CHECK(same_bits(example.answer(), expected));
}

TEST_CASE("program: waiting without a submit returns at once and changes nothing")
{
    Example example(test_device(), 5, 16);
    example.program->wait();
    CHECK(example.answer() == std::vector<float>(80, 0.0F)); // fresh memory
    example.program->run();
    const std::vector<float> expected = example.answer();
    example.program->wait();
    CHECK(same_bits(example.answer(), expected));
}

TEST_CASE("program: can be destroyed while it is in flight")
{
    for (int run = 0; run < 3; ++run) {
        Example example(test_device(), 64, 256);
        example.program->submit();
    }
    Example after(test_device(), 5, 16);
    after.program->run();
    CHECK(after.answer()[0] != 0);
}

TEST_CASE("program: an empty list can be submitted")
{
    const auto program = test_device().compile(LaunchList(), Arenas{}, {"empty", {}, {}, false});
    program->run();
    program->run();
    CHECK(program->launch_ns().empty());
}

TEST_CASE("program: times every launch when asked to, and only then")
{
    Example timed(test_device(), 5, 16, 3, true);
    timed.program->run();
    const std::vector<double> spent = timed.program->launch_ns();
    const bool can_time = test_device().caps().is_host || test_device().caps().timestamp_ns > 0;
    CHECK(spent.size() == (can_time ? 4 : 0));
    for (double ns : spent) CHECK(ns >= 0);
    Example untimed(test_device(), 5, 16);
    untimed.program->run();
    CHECK(untimed.program->launch_ns().empty());
}

TEST_CASE("program: two threads may run programs of one device")
{
    Example one(test_device(), 37, 65);
    Example two(test_device(), 37, 65);
    one.program->run();
    const std::vector<float> expected = one.answer();
    const auto repeat = [](Example& example) {
        for (int run = 0; run < 20; ++run) example.program->run();
    };
    std::thread other([&] { repeat(two); });
    repeat(one);
    other.join();
    CHECK(same_bits(one.answer(), expected));
    CHECK(same_bits(two.answer(), expected));
}

TEST_CASE("program: launches that follow the slots take those at work, window by window, and touch no other")
{
    constexpr uint32_t kSlots = 9;
    constexpr uint32_t kTokens = 7; // rows of a slot
    constexpr uint32_t kWidth = 20;
    Device& device = test_device();
    ArenaLayout io_layout(Arena::io);
    ArenaLayout scratch(Arena::activations);
    const Tensor x = io_layout.take({kSlots * kTokens, kWidth});
    const Tensor y = io_layout.take({kSlots * kTokens, kWidth});
    LaunchList list;
    Recorder recorder{list, device.caps(), scratch, kSlots};
    PointwiseOperands operands;
    operands.activation = Activation::relu;
    pointwise(recorder, Pointwise::activate, x, operands, y);
    const IoRange all{0, io_layout.bytes()};
    std::array<std::unique_ptr<Memory>, 2> windows;
    std::array<Arenas, 2> arenas{};
    for (size_t i = 0; i < 2; ++i) {
        windows[i] = device.allocate(MemoryKind::io, io_layout.bytes(), "window");
        arenas[i].memory[static_cast<size_t>(Arena::io)] = windows[i].get();
    }
    const auto program = device.compile(list, arenas, {"slots", all, all, false, kSlots});
    const auto floats = [&](size_t window, const Tensor& tensor) {
        return reinterpret_cast<float*>(windows[window]->mapped()) + tensor.offset;
    };
    for (const auto& [first, second] : {std::pair{9U, 9U}, {0U, 5U}, {1U, 0U}, {8U, 3U}}) {
        for (size_t i = 0; i < 2; ++i) {
            std::fill_n(floats(i, x), x.element_count(), 2.0F + static_cast<float>(i));
            std::fill_n(floats(i, y), y.element_count(), -1.0F);
        }
        program->set_slots(0, first);
        program->set_slots(1, second);
        program->run();
        for (size_t i = 0; i < 2; ++i) {
            const uint32_t at_work = (i == 0 ? first : second) * kTokens * kWidth;
            const float* found = floats(i, y);
            CHECK(std::all_of(found, found + at_work, [&](float v) { return v == 2.0F + static_cast<float>(i); }));
            // The last group may reach a little past the slots at work: what idle slots hold is nobody's.
            const float* idle = found + std::min<size_t>((at_work + 63) / 64 * 64, y.element_count());
            CHECK(std::all_of(idle, found + y.element_count(), [](float v) { return v == -1.0F; }));
        }
    }
}
