// Golden vectors: inputs with outputs that were computed elsewhere, one case a file. Files are treated as hostile.
#pragma once

#include "ops/cases.hpp"

#include <filesystem>

namespace gramian {

/// One case a *.safetensors file in the directory, by name; files are read when a case runs. A file holds
///   __metadata__: "gramian.vector" = "1", "operator", "attributes" (JSON), "tolerance" (JSON {"rms","max"[,"abs"]})
///   tensors: in.<name> (F32), out.<name> (F64)
/// Throws invalid_argument when this is no directory.
std::vector<Case> vector_cases(const std::filesystem::path& directory);

/// Reads a file into the case (operator and attributes) and its problem. Throws io_error, invalid_model or
/// invalid_argument, naming the file, when it does not hold up.
void read_vector(const std::filesystem::path& path, Case& test, Problem& problem);

} // namespace gramian
