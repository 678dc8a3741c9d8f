#include "suite.hpp"

namespace gramian::conformance {

void run_here(gramian_conformance& suite, std::span<const Chosen> chosen, const Options& options,
              const std::string& selector, const Sink& sink)
{
    open_device(suite, options, selector);
    const Json header = header_of(suite);
    std::string lost; // why the device could not be opened again
    for (const Chosen& one : chosen) {
        if (!lost.empty()) {
            sink(header, {one.name, one.family, one.op, Outcome::device_lost, lost});
            continue;
        }
        const Record record = run_case(suite, one, options);
        sink(header, record);
        if (record.outcome != Outcome::timeout && record.outcome != Outcome::device_lost) continue;
        try {
            open_device(suite, options, selector);
        } catch (const Stop& stop) {
            lost = "not run: the device could not be opened again: " + stop.message;
        }
    }
}

} // namespace gramian::conformance
