// A device whose kernels are right is trusted, and each kernel of its table is tested; verdicts hold for their device.
#include "ops/kernels.hpp"
#include "ops/self_test.hpp"
#include "test_device.hpp"

#include <bit>
#include <chrono>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>

using namespace gramian;

namespace {

std::vector<uint32_t> words_of(std::initializer_list<float> values)
{
    std::vector<uint32_t> words;
    for (const float value : values) words.push_back(std::bit_cast<uint32_t>(value));
    return words;
}

} // namespace

TEST_CASE("every kernel that this device picks is tested and right")
{
    const Json verdict = self_test(test_device(), "1");
    CHECK(verdict.at("refused").empty());
    for (const Json& kernel : verdict.at("kernels")) {
        CAPTURE(kernel.dump());
        CHECK(kernel.at("verdict") == "right");
        CHECK(kernel.at("launches").get<uint32_t>() > 0);
    }
    for (const KernelChoice& choice : kernel_choices(test_device().caps())) {
        if (!choice.is_picked) continue;
        CAPTURE(choice.shader->name);
        CHECK(std::ranges::count(verdict.at("kernels"), choice.shader->name,
                                 [](const Json& kernel) { return kernel.at("kernel").get<std::string_view>(); }) == 1);
    }
}

TEST_CASE("a verdict says how long the test took, and comes out the same when its pipelines are made")
{
    Json first = self_test(test_device(), "1");
    double least = first.at("us");
    for (int run = 0; run < 2; ++run) {
        Json again = self_test(test_device(), "1");
        least = std::min(least, again.at("us").get<double>());
        again["us"] = first.at("us");
        CHECK(again == first);
    }
    CHECK(least > 0);
    MESSAGE("self-test: ", least / 1000, " ms on ", test_device().caps().name);
}

TEST_CASE("the host executor has no kernels to test")
{
    const Json verdict = self_test(host_device(), "1");
    CHECK(verdict.at("kernels").empty());
    CHECK(verdict.at("refused").empty());
}

TEST_CASE("a verdict holds for its own device, driver, engine and kernels only")
{
    Device& device = test_device();
    Json verdict = self_test(device, "1");
    CHECK(apply_verdict(device, "1", verdict.dump()) == verdict.dump());
    CHECK(apply_verdict(device, "1", Json{{{"device", "another"}}, verdict}.dump()) == verdict.dump());
    CHECK(apply_verdict(device, "2", verdict.dump()).empty());
    CHECK(apply_verdict(host_device(), "1", verdict.dump()).empty() != device.caps().is_host);
    for (const char* key : {"device", "driver", "driver_version", "spirv_hash", "abilities"}) {
        Json other = verdict;
        other[key] = "another";
        CAPTURE(key);
        CHECK(apply_verdict(device, "1", other.dump()).empty());
    }
    for (const char* text : {"", "{}", "[1]", "no JSON", "null"}) CHECK(apply_verdict(device, "1", text).empty());

    verdict["refused"] = {{{"kernel", "norm"}, {"reason", "a test"}}};
    CHECK_FALSE(apply_verdict(device, "1", verdict.dump()).empty());
    CHECK(device.caps().refuses("norm") != device.caps().is_host);
    device.refuse({});
}

TEST_CASE("distance: of values by the largest, of counts and of what is not finite to the bit")
{
    const double infinity = std::numeric_limits<double>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(relative_distance(words_of({1, -4}), words_of({1, -4})) == 0);
    CHECK(relative_distance(words_of({1.5, -4}), words_of({1, -4})) == doctest::Approx(0.125));
    CHECK(relative_distance(words_of({nan, -4}), words_of({nan, -4})) == 0);
    CHECK(relative_distance(words_of({nan, -4}), words_of({1, -4})) == infinity);
    CHECK(relative_distance(words_of({1, -4}), words_of({nan, -4})) == infinity);
    CHECK(relative_distance(words_of({-INFINITY}), words_of({INFINITY})) == infinity);
    CHECK(relative_distance(words_of({-0.0F}), words_of({0})) == 0);
    CHECK(relative_distance(words_of({1e-9F}), words_of({0})) < 1e-6); // of inputs about 1
    CHECK(relative_distance(std::vector<uint32_t>{3, 4}, std::vector<uint32_t>{3, 5}) == infinity);
}
