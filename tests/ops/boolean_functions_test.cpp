// Threshold functions: what their circuits must be, and what no count can say.
#include "ops/boolean_functions.hpp"
#include "ops/run_operator.hpp"
#include "refused.hpp"
#include "test_device.hpp"

#include "checks.hpp"
#include <bit>

using namespace gramian;

namespace {

std::vector<float> realised(uint32_t inputs, uint32_t degree)
{
    return run_operator(test_device(), "threshold_functions", {{"inputs", inputs}, {"degree", degree}}, {})
        .outputs[0]
        .values;
}

/// The function whose inputs 0 and 1 are exchanged.
uint32_t exchanged(uint32_t f, uint32_t inputs)
{
    uint32_t result = 0;
    for (uint32_t x = 0; x < 1U << inputs; ++x) {
        const uint32_t other = (x & ~3U) | (x & 1U) << 1 | (x >> 1 & 1U);
        result |= (f >> other & 1U) << x;
    }
    return result;
}

} // namespace

TEST_CASE("threshold functions: the only circuit of two inputs is exclusive or")
{
    CHECK(threshold_circuits(2, 1) == std::vector<std::pair<uint32_t, uint32_t>>{{0b0110, 0b1001}, {0b1001, 0b0110}});
    CHECK(threshold_circuits(2, 2).empty());
    CHECK(threshold_circuits(1, 1).empty());
}

TEST_CASE("threshold functions: negating a function or an input, or exchanging inputs, changes nothing")
{
    for (uint32_t degree = 1; degree <= 2; ++degree) {
        const std::vector<float> found = realised(4, degree);
        uint32_t differing = 0;
        for (uint32_t f = 0; f < found.size(); ++f) {
            const uint32_t flipped = (f & 0xaaaaU) >> 1 | (f & 0x5555U) << 1; // input 0 negated
            differing +=
                found[f] != found[~f & 0xffffU] || found[f] != found[flipped] || found[f] != found[exchanged(f, 4)];
        }
        CHECK(differing == 0);
    }
}

TEST_CASE(
    "threshold functions: degree 2 contains degree 1 and every product of two linear forms, and no parity of three")
{
    const std::vector<float> linear = realised(3, 1);
    const std::vector<float> quadratic = realised(3, 2);
    uint32_t missing = 0;
    for (uint32_t f = 0; f < 256; ++f) {
        for (uint32_t g = 0; g < 256; ++g) {
            if (linear[f] == 1 && linear[g] == 1) missing += quadratic[~(f ^ g) & 0xffU] != 1;
        }
    }
    CHECK(missing == 0);
    CHECK(quadratic[0b10010110] == 0);
    CHECK(quadratic[0b01101001] == 0);
}

TEST_CASE("boolean functions: what is no number of inputs, or does not fit, is refused by name")
{
    Device& device = test_device();
    refused(Status::unsupported, "'inputs' is missing", [&] { run_operator(device, "threshold_functions", {}, {}); });
    refused(Status::unsupported, "inputs", [&] { run_operator(device, "threshold_functions", {{"inputs", 5}}, {}); });
    const NamedArray gates{"gates", {2}, {1, 2}};
    const NamedArray on{"on", {2}, {1, 2}};
    const NamedArray off{"off", {1}, {1}};
    refused(Status::invalid_argument, "off [1]", [&] {
        run_operator(device, "gated_functions", {{"inputs", 2}}, {gates, on, off});
    });
}
