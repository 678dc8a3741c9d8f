// Which device a selector names.
#include "refused.hpp"
#include "test_device.hpp"

using namespace gramian;

namespace {

void opens_nothing(const std::string& selector, std::string_view words)
{
    CAPTURE(selector);
    DeviceOptions options;
    options.selector = selector;
    refused(Status::no_device, words, [&] { (void)open_device(options); });
}

} // namespace

TEST_CASE("open_device: a name that no device has lists what there is")
{
    opens_nothing("no such device", "no Vulkan device 'no such device'");
    opens_nothing("no such device", "host");
    for (const Caps& caps : list_devices()) opens_nothing("no such device", caps.name);
}

TEST_CASE("open_device: an index out of range lists what there is")
{
    const size_t vulkan_devices = list_devices().size() - 1;
    opens_nothing(std::to_string(vulkan_devices), "there are:");
    opens_nothing("99999999999999999999", "there are:");
    opens_nothing("-1", "there are:");
    opens_nothing("01", "there are:");
}

TEST_CASE("open_device: an empty selector names nothing")
{
    opens_nothing("", "there are:");
}

TEST_CASE("open_device: index, part of a name and auto give the device of the list")
{
    const std::vector<Caps> listed = list_devices();
    REQUIRE(listed.size() > 1);
    for (const std::string& selector : {std::string("0"), listed[0].name.substr(0, 4), std::string("auto")}) {
        DeviceOptions options;
        options.selector = selector;
        CAPTURE(selector);
        const auto device = open_device(options);
        CHECK(device->caps().name == listed[0].name);
        CHECK_FALSE(device->caps().is_host);
    }
}

TEST_CASE("open_device: the host executor comes last and needs no Vulkan")
{
    CHECK(list_devices().back().is_host);
    DeviceOptions options;
    options.selector = "host";
    CHECK(open_device(options)->caps().is_host);
    CHECK(open_host_device()->caps().kind == "host");
}

TEST_CASE("open_device: minimum limits promise what Vulkan 1.1 does and stage all transfers")
{
    DeviceOptions options = test_options();
    options.limits = Limits::minimum;
    const auto device = open_device(options);
    if (device->caps().is_host) return;
    CHECK(device->caps().stages_transfers);
    CHECK(device->caps().max_workgroup_invocations == 128);
    CHECK(device->caps().max_shared_bytes == 16'384);
    CHECK(device->caps().max_storage_bytes == uint64_t{128} << 20);
    CHECK(device->caps().max_push_bytes == 128);
}

TEST_CASE("open_device: a pipeline cache can be given back, and one that is damaged does no harm")
{
    DeviceOptions options = test_options();
    options.pipeline_cache = test_device().pipeline_cache();
    CHECK(open_device(options) != nullptr);
    options.pipeline_cache.assign(100, std::byte{0xa5});
    options.validation = false; // the layer would name the damage, rightly
    CHECK(open_device(options) != nullptr);
}
