// libFuzzer entry: any bytes parse or throw Error, and what parses can be converted and written again.
#include "base/error.hpp"
#include "model/safetensors.hpp"

#include <cstdlib>

using namespace gramian;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    const auto input = std::as_bytes(std::span(data, size));
    try {
        const SafetensorsFile file = SafetensorsFile::parse({input.begin(), input.end()}, "input");
        for (const FileTensor& tensor : file.tensors()) {
            if (file.find(tensor.name) != &tensor) std::abort();
            if (!dtype_is_float(tensor.dtype)) continue;
            if (to_float(tensor).size() != tensor.element_count()) std::abort();
            if (to_double(tensor).size() != tensor.element_count()) std::abort();
        }
        const auto written = serialize_safetensors(file.tensors(), file.metadata());
        const SafetensorsFile again = SafetensorsFile::parse(written, "written");
        if (serialize_safetensors(again.tensors(), again.metadata()) != written) std::abort();
    } catch (const Error& error) {
        if (error.status() != Status::invalid_model) std::abort(); // a refusal by the writer is a fault
    }
    return 0;
}
