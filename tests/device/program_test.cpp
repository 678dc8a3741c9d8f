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
