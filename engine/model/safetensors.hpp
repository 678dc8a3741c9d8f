// The safetensors container: named tensors and text metadata in one file. The reader treats the file as hostile;
// what it returns has names, shapes and bytes that agree with each other. It does not look at the numbers.
// Used by the model loader, the test vectors and whatever writes such files.
#pragma once

#include "tensor/dtype.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gramian {

inline constexpr uint64_t kMaxSafetensorsBytes = uint64_t{16} << 30;
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;
inline constexpr size_t kMaxFileTensors = 100'000;
inline constexpr size_t kMaxFileTensorRank = 8;
inline constexpr size_t kMaxFileTensorNameBytes = 256;

/// One tensor: row-major, little-endian, at any byte alignment (copy out, never cast). Does not own its bytes.
struct FileTensor {
    std::string name;
    DType dtype = DType::f32;
    std::vector<uint64_t> shape; // empty: a scalar
    std::span<const std::byte> data;

    /// The product of the shape; 1 for a scalar.
    [[nodiscard]] uint64_t element_count() const noexcept;
};

class SafetensorsFile {
public:
    /// Throws io_error when the file cannot be read, otherwise as `parse`.
    static SafetensorsFile load(const std::filesystem::path& path);
    /// Takes the bytes; `name` is for messages. Throws invalid_model for a file that does not hold up.
    static SafetensorsFile parse(std::vector<std::byte> bytes, std::string_view name);

    SafetensorsFile(SafetensorsFile&&) noexcept = default;
    SafetensorsFile& operator=(SafetensorsFile&&) noexcept = default;
    SafetensorsFile(const SafetensorsFile&) = delete;
    SafetensorsFile& operator=(const SafetensorsFile&) = delete;
    ~SafetensorsFile() = default;

    [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
    /// Sorted by name. Valid as long as this object, or the one it was moved to, lives.
    [[nodiscard]] const std::vector<FileTensor>& tensors() const noexcept { return tensors_; }
    /// Null when there is none of that name.
    [[nodiscard]] const FileTensor* find(std::string_view name) const noexcept;
    /// The whole file, for fingerprints.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    SafetensorsFile() = default;

    std::vector<std::byte> bytes_;
    std::map<std::string, std::string> metadata_;
    std::vector<FileTensor> tensors_;
};

/// The elements of a F32, F16, BF16 or F64 tensor; F64 is rounded. Throws invalid_model for any other type.
std::vector<float> to_float(const FileTensor& tensor);
/// The same, exact for each of the four.
std::vector<double> to_double(const FileTensor& tensor);

/// A tensor to write is given as it would be read, so a file's tensors can be written again.
using TensorToWrite = FileTensor;

/// The bytes of a file that `parse` accepts. Tensors are laid out by falling element size, then by name, without
/// holes, from a multiple of 8, so each is aligned. Throws invalid_argument for names, shapes or texts that `parse`
/// would refuse.
std::vector<std::byte> serialize_safetensors(std::span<const TensorToWrite> tensors,
                                             const std::map<std::string, std::string>& metadata);

} // namespace gramian
