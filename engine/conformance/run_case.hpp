// Runs one case on a device and compares what comes out with the reference.
#pragma once

#include "device/device.hpp"
#include "ops/cases.hpp"

namespace gramian {

enum class CaseStatus : uint32_t { pass, fail, unsupported, timeout, device_lost };

/// Errors are those of the output that uses up most of its tolerance; a ratio to a reference of zeros is infinite.
struct CaseResult {
    CaseStatus status = CaseStatus::pass;
    std::string reason; // empty for a pass
    Tolerance tolerance;
    double rms = 0; // rms(x - ref) / rms(ref)
    double max = 0; // max|x - ref| / max|ref|
    uint64_t worst_index = 0;
    double used = 0; // of its tolerance: 1 is the limit; 0 for an output that passed by its absolute bound
    double us = 0;   // median over the runs, submit to finished; of a property the whole of it
};

/// The properties whose sources the program holds, by family in the order of the contract, then by name.
std::vector<Case> property_cases();

/// Compares one output. Sets everything but `us`.
CaseResult compare(const Expected& expected, const NamedArray& found);

/// Never throws. `repeat` runs must agree bit for bit. opened_with: how the device was opened.
CaseResult run_case(Device& device, const DeviceOptions& opened_with, const Case& test, uint64_t seed,
                    uint32_t repeat) noexcept;

} // namespace gramian
