#include "base/file.hpp"

#include "folder.hpp"
#include "refused.hpp"

#include <csignal>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace gramian;

namespace {

using Bytes = std::vector<std::byte>;

} // namespace

TEST_CASE("file: refuses devices, pipes and files over the limit")
{
    const Folder folder;
    const auto path = folder.path / "ten";
    write_file_atomically(path, Bytes(10));
    CHECK(read_file(path, 10).size() == 10);
    refused(Status::io_error, "ten: expected at most 9 bytes, found 10", [&] { read_file(path, 9); });
    refused(Status::io_error, "/dev/zero: expected a regular file", [] { read_file("/dev/zero", 10); });
    const auto pipe = folder.path / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    refused(Status::io_error, "pipe: expected a regular file", [&] { read_file(pipe, 10); });
}

TEST_CASE("file: a write that fails keeps the old file and leaves no temporary")
{
    const Folder folder;
    const auto path = folder.path / "kept";
    write_file_atomically(path, Bytes(10));

    // A limit on the size of files stands in for a full disk.
    struct rlimit before = {};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    struct rlimit small = before;
    small.rlim_cur = 4'096;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    refused(Status::io_error, "kept: cannot write: File too large",
            [&] { write_file_atomically(path, Bytes(100'000)); });
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);

    CHECK(read_file(path, 1'000'000).size() == 10);
    CHECK(folder.count() == 1);
}

TEST_CASE("file: a full device and an unwritable place are errors that name the path")
{
    const Folder folder;
    if (std::filesystem::exists("/dev/full"))
        refused(Status::io_error, "/dev/full: cannot write: No space left on device",
                [] { write_file_atomically("/dev/full", Bytes(10)); });
    refused(Status::io_error, "x: cannot write: No such file",
            [&] { write_file_atomically(folder.path / "nowhere" / "x", Bytes(10)); });
    refused(Status::io_error, "expected a file to write, found a directory",
            [&] { write_file_atomically(folder.path, Bytes(10)); });
    if (::geteuid() != 0) { // root may write anywhere
        std::filesystem::permissions(folder.path,
                                     std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
        refused(Status::io_error, "y: cannot write: Permission denied",
                [&] { write_file_atomically(folder.path / "y", Bytes(10)); });
        std::filesystem::permissions(folder.path, std::filesystem::perms::owner_all);
    }
    CHECK(folder.count() == 0);
}

TEST_CASE("file: writing through a symbolic link replaces what it points to")
{
    const Folder folder;
    write_file_atomically(folder.path / "target", Bytes(1));
    std::filesystem::create_symlink("target", folder.path / "link");
    write_file_atomically(folder.path / "link", Bytes(2));
    CHECK(std::filesystem::is_symlink(folder.path / "link"));
    CHECK(read_file(folder.path / "target", 10).size() == 2);
    std::filesystem::create_symlink("nowhere", folder.path / "broken");
    refused(Status::io_error, "broken: cannot follow the link",
            [&] { write_file_atomically(folder.path / "broken", Bytes(2)); });
}
