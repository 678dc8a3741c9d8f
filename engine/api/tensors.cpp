// The C API: named tensors and their files.
#include "api/guard.hpp"
#include "base/file.hpp"
#include "base/half.hpp"
#include "ops/half_weights.hpp"

#include <algorithm>
#include <iterator>
#include <list>

using namespace gramian;

namespace {

void view_of(const NamedArray& array, gramian_tensor_view* view)
{
    gramian_tensor_view found{};
    found.size = sizeof found;
    found.rank = array.shape.rank();
    for (uint32_t axis = 0; axis < found.rank; ++axis) found.shape[axis] = array.shape[axis];
    found.name = array.name.c_str();
    found.values = array.values.data();
    found.element_count = array.values.size();
    write_struct(view, found);
}

/// The array of that name. Throws invalid_argument naming those that there are.
template <class GramianTensors>
auto& array_of(GramianTensors& tensors, const char* name)
{
    std::string known;
    for (auto& array : tensors.arrays) {
        if (array.name == name) return array;
        known += (known.empty() ? "" : ", ") + array.name;
    }
    raise(Status::invalid_argument, "no tensor {}; there are: {}", in_quotes(name), known.empty() ? "none" : known);
}

std::vector<NamedArray> read_arrays(const SafetensorsFile& file)
{
    std::vector<NamedArray> arrays;
    for (const FileTensor& tensor : file.tensors()) {
        const DType dtype = tensor.dtype == DType::f16 ? DType::f16 : DType::f32;
        arrays.push_back({tensor.name, Shape::checked(tensor.shape, tensor.name), to_float(tensor), dtype});
    }
    return arrays;
}

std::vector<std::byte> serialized(const gramian_tensors& tensors)
{
    std::vector<TensorToWrite> writes;
    std::list<std::vector<uint16_t>> halves; // that the writes refer to
    for (const NamedArray& array : tensors.arrays) {
        TensorToWrite tensor{array.name, array.dtype, {}, std::as_bytes(std::span<const float>(array.values))};
        if (array.dtype == DType::f16) {
            std::ranges::transform(array.values, std::back_inserter(halves.emplace_back()), float_to_half);
            tensor.data = std::as_bytes(std::span<const uint16_t>(halves.back()));
        }
        for (uint32_t axis = 0; axis < array.shape.rank(); ++axis) tensor.shape.push_back(array.shape[axis]);
        writes.push_back(std::move(tensor));
    }
    return serialize_safetensors(writes, tensors.texts);
}

} // namespace

gramian_status gramian_tensors_create(gramian_tensors** tensors)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        *tensors = new gramian_tensors;
    });
}

gramian_status gramian_tensors_add(gramian_tensors* tensors, const char* name, const uint64_t* shape, uint32_t rank,
                                   const float* values)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(name, "name");
        if (rank > 0) require_pointer(shape, "shape");
        NamedArray array{name, Shape::checked({shape, rank}, name), {}};
        for (const NamedArray& other : tensors->arrays) {
            if (other.name == array.name) raise(Status::invalid_argument, "the name {} is taken", in_quotes(name));
        }
        if (array.shape.element_count() > 0) require_pointer(values, "values");
        array.values.assign(values, values + array.shape.element_count());
        tensors->arrays.push_back(std::move(array));
    });
}

gramian_status gramian_tensors_round_to_half(gramian_tensors* tensors, const char* name)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(name, "name");
        round_to_halves(array_of(*tensors, name));
    });
}

gramian_status gramian_tensors_set_text(gramian_tensors* tensors, const char* key, const char* text)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(key, "key");
        require_pointer(text, "text");
        tensors->texts[key] = text;
    });
}

const char* gramian_tensors_get_text(const gramian_tensors* tensors, const char* key)
{
    if (!tensors || !key) return nullptr;
    const auto found = tensors->texts.find(key);
    return found == tensors->texts.end() ? nullptr : found->second.c_str();
}

uint32_t gramian_tensors_count(const gramian_tensors* tensors)
{
    return tensors ? static_cast<uint32_t>(tensors->arrays.size()) : 0;
}

gramian_status gramian_tensors_get(const gramian_tensors* tensors, uint32_t index, gramian_tensor_view* view)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        if (index >= tensors->arrays.size()) {
            raise(Status::invalid_argument, "tensor {}: there are {}", index, tensors->arrays.size());
        }
        view_of(tensors->arrays[index], view);
    });
}

gramian_status gramian_tensors_find(const gramian_tensors* tensors, const char* name, gramian_tensor_view* view)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(name, "name");
        view_of(array_of(*tensors, name), view);
    });
}

gramian_status gramian_tensors_load(const char* path, gramian_tensors** tensors)
{
    return guard([&] {
        require_pointer(path, "path");
        require_pointer(tensors, "tensors");
        const SafetensorsFile file = SafetensorsFile::load(path);
        *tensors = new gramian_tensors{read_arrays(file), file.metadata()};
    });
}

gramian_status gramian_tensors_save(const gramian_tensors* tensors, const char* path)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(path, "path");
        write_file_atomically(path, serialized(*tensors));
    });
}

gramian_status gramian_tensors_serialize(const gramian_tensors* tensors, void* data, size_t* bytes)
{
    return guard([&] {
        require_pointer(tensors, "tensors");
        require_pointer(bytes, "bytes");
        const std::vector<std::byte> file = serialized(*tensors);
        if (data) std::memcpy(data, file.data(), std::min(*bytes, file.size()));
        *bytes = file.size();
    });
}

void gramian_tensors_destroy(gramian_tensors* tensors)
{
    delete tensors;
}
