#include "base/file.hpp"

#include "base/error.hpp"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace gramian {

namespace {

std::string errno_text(int number)
{
    return std::generic_category().message(number);
}

/// Owns a file descriptor.
class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close_now(); }

    [[nodiscard]] int number() const { return number_; }
    /// False, with errno set, when the system could not keep what was written.
    bool close_now()
    {
        const int number = number_;
        number_ = -1;
        return number < 0 || ::close(number) == 0;
    }

private:
    int number_;
};

/// Removes a file that was not renamed into place.
struct Temporary {
    std::filesystem::path path;
    bool is_kept = false;

    ~Temporary()
    {
        if (!is_kept) ::unlink(path.c_str());
    }
};

int open_retrying(const std::filesystem::path& path, int flags, mode_t mode = 0)
{
    int number = -1;
    do number = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    while (number < 0 && errno == EINTR);
    return number;
}

void write_all(int descriptor, std::span<const std::byte> bytes, const std::filesystem::path& path)
{
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0)
            raise(Status::io_error, "{}: cannot write: {}", path.string(), errno_text(written < 0 ? errno : EIO));
        bytes = bytes.subspan(static_cast<size_t>(written));
    }
}

void write_directly(const std::filesystem::path& path, std::span<const std::byte> bytes)
{
    Descriptor file(open_retrying(path, O_WRONLY));
    if (file.number() < 0) raise(Status::io_error, "{}: cannot write: {}", path.string(), errno_text(errno));
    write_all(file.number(), bytes, path);
    if (!file.close_now()) raise(Status::io_error, "{}: cannot write: {}", path.string(), errno_text(errno));
}

void replace_file(const std::filesystem::path& path, std::span<const std::byte> bytes, mode_t mode)
{
    static std::atomic<uint32_t> counter = 0;
    std::filesystem::path beside = path;
    beside += fmt::format(".{}.{}.tmp", ::getpid(), counter.fetch_add(1));

    Descriptor file(open_retrying(beside, O_WRONLY | O_CREAT | O_EXCL, mode));
    if (file.number() < 0) raise(Status::io_error, "{}: cannot write: {}", path.string(), errno_text(errno));
    Temporary temporary{beside};
    write_all(file.number(), bytes, path);
    if (::fsync(file.number()) != 0 || !file.close_now() || ::rename(beside.c_str(), path.c_str()) != 0)
        raise(Status::io_error, "{}: cannot write: {}", path.string(), errno_text(errno));
    temporary.is_kept = true;
}

} // namespace

std::vector<std::byte> read_file(const std::filesystem::path& path, uint64_t max_bytes)
{
    // Non-blocking, so that a pipe without a writer is refused below instead of waited for.
    const Descriptor file(open_retrying(path, O_RDONLY | O_NONBLOCK));
    if (file.number() < 0) raise(Status::io_error, "{}: cannot read: {}", path.string(), errno_text(errno));
    struct stat info = {};
    if (::fstat(file.number(), &info) != 0)
        raise(Status::io_error, "{}: cannot read: {}", path.string(), errno_text(errno));
    if (S_ISDIR(info.st_mode)) raise(Status::io_error, "{}: expected a file, found a directory", path.string());
    if (!S_ISREG(info.st_mode)) raise(Status::io_error, "{}: expected a regular file", path.string());
    const auto size = static_cast<uint64_t>(info.st_size);
    if (size > max_bytes)
        raise(Status::io_error, "{}: expected at most {} bytes, found {}", path.string(), max_bytes, size);

    std::vector<std::byte> bytes(size);
    size_t filled = 0;
    while (filled < bytes.size()) {
        const ssize_t count = ::read(file.number(), bytes.data() + filled, bytes.size() - filled);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) raise(Status::io_error, "{}: cannot read: {}", path.string(), errno_text(errno));
        if (count == 0)
            raise(Status::io_error, "{}: expected {} bytes, found the end after {}", path.string(), size, filled);
        filled += static_cast<size_t>(count);
    }
    return bytes;
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes)
{
    std::error_code error;
    std::filesystem::path target = path;
    if (std::filesystem::is_symlink(path, error)) {
        target = std::filesystem::canonical(path, error);
        if (error) raise(Status::io_error, "{}: cannot follow the link: {}", path.string(), error.message());
    }
    struct stat info = {};
    const bool exists = ::stat(target.c_str(), &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        raise(Status::io_error, "{}: expected a file to write, found a directory", path.string());
    if (exists && !S_ISREG(info.st_mode)) return write_directly(target, bytes);
    replace_file(target, bytes, exists ? info.st_mode & 0777 : 0666);
}

} // namespace gramian
