// One operator by itself: named tensors in, named tensors out. What the C API's generic call, the conformance cases
// and the bench use.
#pragma once

#include "device/device.hpp"
#include "ops/operator.hpp"

#include <string>
#include <vector>

namespace gramian {

struct NamedArray {
    std::string name;
    Shape shape;
    std::vector<float> values;
};

struct OperatorRunOptions {
    bool check_guards = false; // outputs lie between guard words; a stray write throws Error(internal)
    uint32_t repeat = 1;       // runs, timed one by one
};

struct OperatorRun {
    std::vector<NamedArray> outputs;
    std::vector<double> run_us; // submit to finished, one a run
    uint64_t bytes_moved = 0;
    uint32_t dispatches = 0;
};

/// Runs `name` once. Every output and temporary is NaN beforehand, so that what a kernel leaves out shows.
/// A solve's report comes as outputs min_pivot, alpha, retries, residual and status (0 solved, 1 no data, 2 failed).
/// Throws invalid_argument or unsupported (operator, attribute or tensor names it does not know among them).
OperatorRun run_operator(Device& device, std::string_view name, const Json& attributes,
                         const std::vector<NamedArray>& inputs, const OperatorRunOptions& options = {});

} // namespace gramian
