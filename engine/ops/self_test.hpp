// The engine's own test of a device: every kernel that it picks there, launch by launch and on fixed inputs, beside the
// host function that does the same. What comes out wrong is refused, and the next variant is tested in its place.
#pragma once

#include "base/json.hpp"
#include "device/device.hpp"
#include "ops/run_operator.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gramian {

/// One operator on small fixed inputs.
struct SelfTestCheck {
    std::string_view op;
    std::string attributes; // JSON
    std::vector<NamedArray> inputs;
    bool is_whole = false;     // the host works in other steps than the kernels: only the outputs can be compared
    bool keeps_states = false; // token by token, as a node of a session
};

/// Checks that between them launch every kernel that some operator launches by itself.
std::vector<SelfTestCheck> self_test_checks();

/// Launches of linear layers that share one, and what their arenas hold before.
struct SelfTestLayers {
    LaunchList list;
    std::vector<uint32_t> weights;
    std::vector<float> activations;
};

/// A norm with three layers that read it, a layer added to another value, and two layers in a row. Weights are f32 or
/// f16.
SelfTestLayers self_test_layers(const Caps& caps, DType dtype);

/// Worse ones come later.
enum class Verdict : uint32_t { not_tested, right, does_not_compile, unstable, wrong };

/// What the launches of one kernel came to.
struct Finding {
    Verdict verdict = Verdict::not_tested;
    uint32_t launches = 0;
    double error = 0;
    std::string reason;

    void add(Verdict found, double distance, const std::string& why)
    {
        ++launches;
        if (std::isfinite(distance)) error = std::max(error, distance);
        if (found > verdict) {
            verdict = found;
            reason = why;
        }
    }
};
using Findings = std::map<std::string, Finding, std::less<>>;

/// Runs all checks, and what only sessions launch, on a device that picks kernels by its caps; by kernel, what was
/// found. Throws timeout or device_lost where a kernel ends the device.
Findings run_checks(Device& device, const std::vector<SelfTestCheck>& checks);

/// Tests the device, tells it which kernels to refuse, and returns the verdict:
/// {device, driver, driver_version, vendor_id, device_id, engine, spirv_hash, abilities: {…}, us,
///  kernels: [{kernel, verdict: "right" | "wrong" | "unstable" | "does not compile" | "not tested", launches, error,
///             reason}], refused: [kernel, …]}
/// error: the largest difference over the largest expected magnitude. A host executor has no kernels to list.
/// Throws timeout or device_lost where a kernel ends the device. `engine`: its version.
Json self_test(Device& device, std::string_view engine);

/// Makes the device refuse what an earlier verdict refuses, and returns it. `text`: a verdict or an array of them; one
/// of another device, driver, engine, SPIR-V or other abilities changes nothing, and nor does a damaged one: empty.
std::string apply_verdict(Device& device, std::string_view engine, std::string_view text);

/// How far `found` is from `expected`: the largest difference over the largest expected magnitude; infinity where one
/// is finite and the other is not, or where words that are no floats differ.
double relative_distance(std::span<const uint32_t> found, std::span<const uint32_t> expected);

} // namespace gramian
