// A device that does not finish in time: the status is kept, and everything can be destroyed. A program of its own, so
// that a crash here hides nothing else.
#include "device/example_program.hpp"
#include "refused.hpp"
#include "test_device.hpp"

#include <chrono>
#include <thread>

using namespace gramian;

namespace {

// Repeated products: a tenth of a second and several seconds on a software driver, more where it shares the processor.
constexpr uint32_t kShort = 2;
constexpr uint32_t kLong = 64;

/// A device whose patience ends at once. It does not stage, or making its arenas would already be too slow for it.
std::unique_ptr<Device> impatient_device()
{
    DeviceOptions options = test_options();
    options.limits = Limits::device;
    options.timeout_ns = 1;
    return open_device(options);
}

} // namespace

TEST_CASE("time limit: work that takes longer throws timeout, and every later submit and wait does so too")
{
    if (test_device().caps().is_host) return; // the host executor works while submitting
    const auto device = impatient_device();
    Example slow(*device, 512, 512, kShort);
    Example other(*device, 5, 16);
    slow.program->submit();
    refused(Status::timeout, device->caps().name, [&] { slow.program->wait(); });
    refused(Status::timeout, device->caps().name, [&] { other.program->submit(); });
    SUBCASE("a program that never ran")
    {
        refused(Status::timeout, "earlier work", [&] { other.program->run(); });
    }
    SUBCASE("the program that was too slow")
    {
        refused(Status::timeout, device->caps().name, [&] { slow.program->submit(); });
        refused(Status::timeout, device->caps().name, [&] { slow.program->wait(); });
    }
    SUBCASE("the program that was too slow, after it has finished all the same")
    {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        refused(Status::timeout, device->caps().name, [&] { slow.program->wait(); });
    }
}

TEST_CASE("time limit: a device that ran out of time can be destroyed and opened anew")
{
    if (test_device().caps().is_host) return;
    {
        const auto device = impatient_device();
        Example slow(*device, 512, 512, kShort);
        slow.program->submit();
        refused(Status::timeout, "did not finish", [&] { slow.program->wait(); });
    }
    const auto again = open_device(test_options());
    Example example(*again, 5, 16);
    example.program->run();
    CHECK(example.answer()[0] != 0);
}

TEST_CASE("time limit: a transfer that takes longer throws timeout and does no harm")
{
    if (test_device().caps().is_host) return;
    DeviceOptions options = test_options();
    options.limits = Limits::minimum;
    options.timeout_ns = 1;
    const auto device = open_device(options);
    // Even the zeros of a fresh arena are too much for it; whichever transfer is the first to be late says so.
    refused(Status::timeout, "did not finish", [&] {
        const auto memory = device->allocate(MemoryKind::device, uint64_t{64} << 20, "late");
        const std::vector<std::byte> bytes(size_t{64} << 20);
        memory->write(0, bytes);
    });
    refused(Status::timeout, "earlier work", [&] { (void)device->allocate(MemoryKind::device, 1 << 20, "after"); });
}

TEST_CASE("time limit: work that outlasts the destruction of everything does no harm")
{
    if (test_device().caps().is_host) return;
    const auto device = impatient_device();
    Example slow(*device, 1'024, 1'024, kLong);
    slow.program->submit();
    refused(Status::timeout, "did not finish", [&] { slow.program->wait(); });
}
