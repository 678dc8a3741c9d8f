// The cases that this run is about, and running them one by one on a device.
#pragma once

#include "report.hpp"

#include <functional>
#include <gramian/conformance.h>
#include <memory>
#include <span>

namespace gramian::conformance {

struct SuiteDeleter {
    void operator()(gramian_conformance* suite) const { gramian_conformance_destroy(suite); }
};
using SuiteHandle = std::unique_ptr<gramian_conformance, SuiteDeleter>;

struct Chosen {
    uint32_t index; // in the suite
    std::string name;
    std::string family;
    std::string op;
};

/// Throws Stop(kExitUsage) for a directory of vectors that is none.
SuiteHandle create_suite(const Options& options);
/// In the suite's order.
std::vector<Chosen> choose(const gramian_conformance& suite, const Options& options);

/// The device that `selector` names becomes the suite's. Throws Stop(kExitNothingRan).
void open_device(gramian_conformance& suite, const Options& options, const std::string& selector);
Json header_of(gramian_conformance& suite);
Record run_case(gramian_conformance& suite, const Chosen& chosen, const Options& options);

/// Told of every case as it is done.
using Sink = std::function<void(const Json& header, Record record)>;

/// In this process. A device that was lost or timed out is opened again; where that fails, the rest is device_lost.
void run_here(gramian_conformance& suite, std::span<const Chosen> chosen, const Options& options,
              const std::string& selector, const Sink& sink);
/// In child processes of some cases each. This process never touches the device.
void run_isolated(gramian_conformance& suite, std::span<const Chosen> chosen, const Options& options,
                  const std::string& selector, const Sink& sink);

} // namespace gramian::conformance
