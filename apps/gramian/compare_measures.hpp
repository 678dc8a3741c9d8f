// What the rows of the price list share: how errors add up, and weights that no training made.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace gramian::app {

/// |o - exact| of a token of all heads and sequences, squared, as it sums up.
struct ErrorSum {
    double off = 0;
    double all = 0;
    double worst = 0;
    uint64_t count = 0;

    void add(double off_squared, double exact_squared)
    {
        off += off_squared;
        all += exact_squared;
        worst = std::max(worst, off_squared);
        ++count;
    }
    [[nodiscard]] double relative() const { return std::sqrt(off / std::max(all, 1e-300)); }
    [[nodiscard]] double relative_worst() const
    {
        return std::sqrt(worst / std::max(all / static_cast<double>(count), 1e-300));
    }
};

inline double median(std::vector<double> values)
{
    std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

struct Weight {
    std::string name;
    std::vector<uint64_t> shape;
    std::vector<float> values;
};

/// The maps of EVA's and LARA's means, as plain as they can be: none was trained for this trace.
std::vector<Weight> plain_maps(uint32_t width, bool has_norms);

} // namespace gramian::app
