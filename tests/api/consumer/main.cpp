// Solves one small least-squares problem with the installed library.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <gramian/gramian.hpp>

int main()
{
    if (std::strncmp(gramian_version(), "0.1.", 4) != 0) return 1;
    gramian_device_options options = gramian_device_options_default();
    options.selector = "host";
    const gramian::DeviceHandle device(options);
    gramian::TensorsHandle inputs;
    const float a[] = {4, 1, 1, 3};
    const float rhs[] = {1, 2};
    const uint64_t a_shape[] = {1, 2, 2};
    const uint64_t rhs_shape[] = {1, 2, 1};
    inputs.add("a", a_shape, a);
    inputs.add("rhs", rhs_shape, rhs);
    const gramian::TensorsHandle outputs = gramian::run_operator(device, "ridge_solve", R"({"alpha":0})", inputs);
    const float* x = outputs.find("x").values; // (1/11, 7/11)
    std::printf("x = %g, %g\n", static_cast<double>(x[0]), static_cast<double>(x[1]));
    return std::abs(11 * x[0] - 1) < 1e-4F && std::abs(11 * x[1] - 7) < 1e-4F ? 0 : 1;
}
