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
    DType dtype = DType::f32; // f16: the values are halves, and are written and kept as such
};

struct OperatorRunOptions {
    bool check_guards = false; // outputs lie between guard words; a stray write throws Error(internal)
    uint32_t repeat = 1;       // runs, timed one by one
    uint32_t chunk = kNone;    // as in Recorder
};

struct OperatorRun {
    std::vector<NamedArray> outputs;
    std::vector<double> run_us; // submit to finished, one a run
    uint64_t bytes_moved = 0;
    uint32_t dispatches = 0;
};

/// One operator, recorded on a device with its tensors in memory: run as often as one likes.
class OperatorProgram {
public:
    /// keeps_states: like a node of a session, a recurrent operator goes on, run after run, from the states that the
    /// inputs of their names gave it. Otherwise each run does the same again. chunk: as in Recorder. Throws as
    /// run_operator does.
    OperatorProgram(Device& device, std::string_view name, const Json& attributes,
                    const std::vector<NamedArray>& inputs, bool keeps_states, uint32_t chunk = kNone);
    ~OperatorProgram();
    OperatorProgram(OperatorProgram&&) noexcept;

    [[nodiscard]] Program& program();
    [[nodiscard]] const LaunchList& launches() const;
    [[nodiscard]] Arenas arenas() const;
    [[nodiscard]] uint64_t bytes_moved() const;
    [[nodiscard]] uint32_t dispatches() const;
    /// Throws Error(internal) when something was written between the tensors.
    void check_guards();
    /// Outputs, and the states that are kept.
    [[nodiscard]] std::vector<NamedArray> outputs();

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

/// Runs `name` once. Every output and temporary is NaN beforehand, so that what a kernel leaves out shows.
/// A solve's report comes as outputs min_pivot, alpha, retries, residual and status (0 solved, 1 no data, 2 failed).
/// Throws invalid_argument or unsupported (operator, attribute or tensor names it does not know among them).
OperatorRun run_operator(Device& device, std::string_view name, const Json& attributes,
                         const std::vector<NamedArray>& inputs, const OperatorRunOptions& options = {});

} // namespace gramian
