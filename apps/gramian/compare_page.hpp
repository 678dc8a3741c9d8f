// The page of `gramian compare`: the table, two plots of error against price, and one of what value-awareness gains.
#pragma once

#include "compare_rows.hpp"

namespace gramian::app {

/// Everything that was found on one trace.
struct Comparison {
    AttentionTrace trace; // without its values where they are not needed any more
    std::vector<PriceRow> rows;
    SparseStudy sparse;
};

/// One self-contained page.
std::string comparison_page(const std::vector<Comparison>& comparisons, const std::string& file,
                            const std::string& device);

} // namespace gramian::app
