// Models and containers on disk, and what is said of a path that cannot be read.
#include "base/file.hpp"
#include "folder.hpp"
#include "model_file.hpp"
#include "refused.hpp"
#include "test_device.hpp"

using namespace gramian;

TEST_CASE("model: a file on disk and the same bytes in memory give the same fingerprint, another file another")
{
    const Folder folder;
    const ModelFile file = feedforward_model();
    write_file_atomically(folder.path / "agent.safetensors", file.bytes());
    const Model loaded = Model::load(test_device(), folder.path / "agent.safetensors");
    CHECK(loaded.fingerprint() == file.parse(test_device()).fingerprint());
    ModelFile other = file;
    other.json["name"] = "other";
    CHECK(other.parse(test_device()).fingerprint() != loaded.fingerprint());
    refused(Status::io_error, "nowhere.safetensors",
            [&] { (void)Model::load(test_device(), folder.path / "nowhere.safetensors"); });
    refused(Status::io_error, "directory", [&] { (void)Model::load(test_device(), folder.path); });
}

TEST_CASE("safetensors: loads from disk and names the path that it cannot read")
{
    const Folder folder;
    const auto path = folder.path / "model.safetensors";
    write_file_atomically(path, feedforward_model().bytes());
    CHECK(SafetensorsFile::load(path).tensors().size() == 2);
    CHECK(folder.count() == 1);
    refused(Status::io_error, "nowhere.safetensors: cannot read: No such file",
            [&] { SafetensorsFile::load(folder.path / "nowhere.safetensors"); });
    refused(Status::io_error, "expected a file, found a directory", [&] { SafetensorsFile::load(folder.path); });
    write_file_atomically(path, std::vector<std::byte>(3));
    refused(Status::invalid_model, "model.safetensors: expected at least 8 bytes",
            [&] { SafetensorsFile::load(path); });
}
