// Arenas: what is written is read back, on mapped and on staged memory, and what does not fit is refused.
#include "base/random.hpp"
#include "refused.hpp"
#include "test_device.hpp"

#include <algorithm>
#include <cstring>

using namespace gramian;

namespace {

using Bytes = std::vector<std::byte>;

Bytes random_bytes(uint64_t seed, size_t count)
{
    Random random(seed);
    Bytes bytes(count);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.bits());
    return bytes;
}

Bytes read_back(Memory& memory, uint64_t offset, size_t count)
{
    Bytes bytes(count, std::byte{0x5a});
    memory.read(offset, bytes);
    return bytes;
}

/// Writes slices at odd places into a copy on the host as well, and compares the whole after each.
void check_transfers(Device& device, MemoryKind kind)
{
    constexpr size_t kBytes = 10'000;
    const auto memory = device.allocate(kind, kBytes, "memory test");
    REQUIRE(memory->bytes() >= kBytes);
    CHECK((memory->mapped() != nullptr || kind == MemoryKind::device));
    Bytes expected(kBytes);
    CHECK(read_back(*memory, 0, kBytes) == expected); // fresh arenas hold zeros
    uint64_t seed = 1;
    for (const uint64_t offset : {0U, 4U, 252U, 256U, 1'000U, 4'092U, 9'000U}) {
        for (const size_t count : {size_t{4}, size_t{12}, size_t{100}, size_t{996}}) {
            CAPTURE(offset);
            CAPTURE(count);
            const Bytes bytes = random_bytes(++seed, count);
            memory->write(offset, bytes);
            std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<ptrdiff_t>(offset));
            CHECK(read_back(*memory, offset, count) == bytes);
        }
    }
    CHECK(read_back(*memory, 0, kBytes) == expected);
    memory->fill_zero(1'004, 3'332);
    std::fill_n(expected.begin() + 1'004, 3'332, std::byte{0});
    memory->write(4, {});
    memory->fill_zero(8, 0);
    Bytes nothing;
    memory->read(8, nothing);
    CHECK(read_back(*memory, 0, kBytes) == expected);
}

} // namespace

TEST_CASE("memory: what is written is read back, at odd sizes and offsets that are multiples of 4")
{
    for (const Limits limits : {Limits::device, Limits::minimum}) { // mapped where possible, and staged
        DeviceOptions options = test_options();
        options.limits = limits;
        const auto device = open_device(options);
        CAPTURE(static_cast<int>(limits));
        check_transfers(*device, MemoryKind::device);
        check_transfers(*device, MemoryKind::io);
    }
}

TEST_CASE("memory: a transfer larger than the staging buffer arrives whole")
{
    DeviceOptions options = test_options();
    options.limits = Limits::minimum;
    const auto device = open_device(options);
    constexpr size_t kBytes = (size_t{40} << 20) + 20; // staging is done in pieces of 16 MiB
    const auto memory = device->allocate(MemoryKind::device, kBytes, "large memory test");
    const Bytes bytes = random_bytes(7, kBytes - 4);
    memory->write(4, bytes);
    Bytes found(bytes.size());
    memory->read(4, found);
    CHECK(std::memcmp(found.data(), bytes.data(), bytes.size()) == 0);
    CHECK(read_back(*memory, 0, 4) == Bytes(4));
    memory->fill_zero(0, kBytes / 4 * 4);
    memory->read(4, found);
    CHECK(std::all_of(found.begin(), found.end(), [](std::byte byte) { return byte == std::byte{0}; }));
}

TEST_CASE("memory: two arenas do not share bytes")
{
    const auto a = test_device().allocate(MemoryKind::device, 256, "a");
    const auto b = test_device().allocate(MemoryKind::device, 256, "b");
    const Bytes bytes = random_bytes(3, 256);
    a->write(0, bytes);
    CHECK(read_back(*b, 0, 256) == Bytes(256));
    CHECK(read_back(*a, 0, 256) == bytes);
}

TEST_CASE("memory: an arena of no bytes can be made")
{
    for (const MemoryKind kind : {MemoryKind::device, MemoryKind::io}) {
        const auto memory = test_device().allocate(kind, 0, "nothing");
        CHECK(memory != nullptr);
    }
}

TEST_CASE("memory: an allocation beyond the limit is out_of_memory with the numbers and the name")
{
    const Caps& caps = test_device().caps();
    if (caps.is_host) return; // the host's limit is the operating system's
    const uint64_t most = std::min(caps.max_storage_bytes, caps.max_memory_bytes);
    const uint64_t asked = (most / 256 + 1) * 256;
    for (const MemoryKind kind : {MemoryKind::device, MemoryKind::io}) {
        const auto ask = [&] { (void)test_device().allocate(kind, asked, "state of many"); };
        refused(Status::out_of_memory, "state of many", ask);
        refused(Status::out_of_memory, std::to_string(asked), ask);
        refused(Status::out_of_memory, std::to_string(most), ask);
        refused(Status::out_of_memory, caps.name, ask);
        refused(Status::out_of_memory, "huge", [&] { (void)test_device().allocate(kind, uint64_t{1} << 62, "huge"); });
    }
    CHECK(test_device().allocate(MemoryKind::device, 256, "still usable") != nullptr);
}

TEST_CASE("memory: more bytes than any machine has are refused on the host as well")
{
    for (const uint64_t bytes : {uint64_t{1} << 50, uint64_t{1} << 62}) {
        refused(Status::out_of_memory, std::to_string(bytes),
                [&] { (void)host_device().allocate(MemoryKind::device, bytes, "endless"); });
    }
}
