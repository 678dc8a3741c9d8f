// Properties: what must hold on any device whatever the numbers, as cases of the runner. The same sources are tests:
// checks.hpp gives TEST_CASE and CHECK to them here, and the test programs take doctest's.
#pragma once

#include "device/device.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gramian {

/// What a property runs on, and what its checks found.
class Trial {
public:
    Trial(Device& device, const DeviceOptions& opened_with) : device_(device), opened_with_(opened_with) {}

    [[nodiscard]] Device& device() const { return device_; }
    /// To open the device once more.
    [[nodiscard]] const DeviceOptions& opened_with() const { return opened_with_; }

    /// Counts a check. What failed first is kept, with the captured values.
    void check(bool holds, const std::function<std::string()>& what);
    /// An error that a check allows up to `allowed`: the one that uses up most of it is reported.
    void measure(double observed, double allowed);
    /// Bits that must be the same whenever the property runs.
    void note(std::span<const float> values);

    [[nodiscard]] uint64_t checks() const { return checks_; }
    [[nodiscard]] const std::string& failure() const { return failure_; }
    [[nodiscard]] double observed() const { return observed_; }
    [[nodiscard]] double allowed() const { return allowed_; }
    [[nodiscard]] uint64_t bits() const { return bits_; }

    std::vector<std::function<std::string()>> captured; // "name 3"

private:
    Device& device_;
    const DeviceOptions& opened_with_;
    uint64_t checks_ = 0;
    uint64_t failures_ = 0;
    std::string failure_;
    double observed_ = 0;
    double allowed_ = 0;
    uint64_t bits_ = 0;
};

/// The one that runs. Only while one does.
Trial& trial();
/// Runs the body as `trial()`. What it throws passes through, but for a check that was required.
void run_property(const std::function<void()>& body, Trial& on);

/// Adds a case "math.intention.a_large_alpha…" of the family; returns something to initialise a static with.
int add_property(std::string_view family, std::string_view name, void (*body)());

} // namespace gramian
