#include "session/saved_state.hpp"

#include "base/hash.hpp"

#include <array>
#include <cstring>
#include <string_view>

namespace gramian {
namespace {

constexpr std::array<char, 8> kMagic{'G', 'R', 'A', 'M', 'S', 'T', 'A', 'T'};
constexpr uint32_t kVersion = 2; // 1: the exponents of log_attention were natural ones
constexpr size_t kDeviceBytes = 256;

struct Header {
    std::array<char, 8> magic = kMagic;
    uint32_t version = kVersion;
    uint32_t streams = 0;
    uint64_t fingerprint = 0;
    uint64_t elements = 0;
    std::array<char, kDeviceBytes> device{};
};
static_assert(sizeof(Header) == 32 + kDeviceBytes);

std::array<char, kDeviceBytes> fixed_text(const std::string& text)
{
    std::array<char, kDeviceBytes> fixed{};
    std::memcpy(fixed.data(), text.data(), std::min(text.size(), kDeviceBytes - 1));
    return fixed;
}

uint64_t stream_bytes(uint64_t elements)
{
    return 16 + 4 * elements;
}

template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args)
{
    raise(Status::invalid_state, "saved state: {}", fmt::format(format, std::forward<Args>(args)...));
}

Header checked_header(const StateOwner& owner, std::span<const std::byte> bytes, bool on_any_device)
{
    Header header;
    if (bytes.size() < sizeof header.magic || std::memcmp(bytes.data(), kMagic.data(), sizeof header.magic) != 0) {
        refuse("these {} bytes do not begin with 'GRAMSTAT'", bytes.size());
    }
    if (bytes.size() < sizeof header + 8) refuse("{} bytes are too few for its header", bytes.size());
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.version != kVersion) {
        refuse("format version {}, this engine reads version {}", header.version, kVersion);
    }
    // Sizes before the checksum: a file that was cut short is told so.
    const uint64_t room = bytes.size() - sizeof header - 8;
    if (header.elements > (uint64_t{1} << 40) || room % stream_bytes(header.elements) != 0 ||
        room / stream_bytes(header.elements) != header.streams) {
        refuse("{} bytes for {} streams of {} numbers: it was cut short or is damaged", bytes.size(), header.streams,
               header.elements);
    }
    uint64_t checksum = 0;
    std::memcpy(&checksum, bytes.data() + bytes.size() - 8, 8);
    const uint64_t found = hash_bytes(bytes.first(bytes.size() - 8));
    if (found != checksum) refuse("its checksum is {:016x}, its bytes give {:016x}: it is damaged", checksum, found);
    if (header.fingerprint != owner.fingerprint) {
        refuse("it belongs to the model with fingerprint {:016x}, not to {:016x}", header.fingerprint,
               owner.fingerprint);
    }
    if (header.elements != owner.elements) {
        refuse("{} numbers a stream, this version of the engine keeps {}", header.elements, owner.elements);
    }
    if (!on_any_device && header.device != fixed_text(owner.device)) {
        const std::string_view saved(header.device.data(), strnlen(header.device.data(), kDeviceBytes));
        refuse("it was saved on {}, and this is {}: what follows would not be bit for bit the same", saved,
               owner.device);
    }
    return header;
}

} // namespace

size_t encoded_bytes(const StateOwner& owner, uint64_t streams)
{
    return sizeof(Header) + streams * stream_bytes(owner.elements) + 8;
}

std::vector<std::byte> encode_streams(const StateOwner& owner, std::span<const SavedStream> streams)
{
    Header header;
    header.streams = static_cast<uint32_t>(streams.size());
    header.fingerprint = owner.fingerprint;
    header.elements = owner.elements;
    header.device = fixed_text(owner.device);
    std::vector<std::byte> bytes(encoded_bytes(owner, streams.size()));
    std::memcpy(bytes.data(), &header, sizeof header);
    std::byte* at = bytes.data() + sizeof header;
    for (const SavedStream& stream : streams) {
        std::memcpy(at, &stream.position.tokens, 8);
        std::memcpy(at + 8, &stream.position.pairs, 8);
        if (owner.elements > 0) std::memcpy(at + 16, stream.elements.data(), 4 * owner.elements);
        at += stream_bytes(owner.elements);
    }
    const uint64_t checksum = hash_bytes(std::span<const std::byte>(bytes).first(bytes.size() - 8));
    std::memcpy(at, &checksum, 8);
    return bytes;
}

std::vector<SavedStream> decode_streams(const StateOwner& owner, std::span<const std::byte> bytes, bool on_any_device)
{
    const Header header = checked_header(owner, bytes, on_any_device);
    std::vector<SavedStream> streams(header.streams);
    const std::byte* at = bytes.data() + sizeof header;
    for (SavedStream& stream : streams) {
        std::memcpy(&stream.position.tokens, at, 8);
        std::memcpy(&stream.position.pairs, at + 8, 8);
        stream.elements.resize(owner.elements);
        if (owner.elements > 0) std::memcpy(stream.elements.data(), at + 16, 4 * owner.elements);
        at += stream_bytes(owner.elements);
    }
    return streams;
}

} // namespace gramian
