// The programs that move whole streams between their window and rows: to the host and back, to another stream, to a
// ring of snapshots, or added up. Each is compiled when it is first needed. Used by Session alone.
#pragma once

#include "ops/state_rows.hpp"
#include "session/layout.hpp"

#include <map>
#include <memory>

namespace gramian {

/// The memory of one window.
struct Window {
    std::unique_ptr<Memory> state;
    std::unique_ptr<Memory> io;
};

enum class RowProgram : uint8_t {
    pack,     // streams to rows of the io arena
    unpack,   // and back
    restart,  // the parts that start anew with a demonstration, from rows
    add,      // sums += weight * rows
    snapshot, // streams to rows of the ring
    rewind,   // and back
};

struct RowMove {
    uint32_t stream; // within its window
    uint32_t row;
};

class StreamRows {
public:
    StreamRows(const SessionLayout& layout, Device& device, std::span<const Window> windows, Memory& block_io);

    /// Runs a program over these moves, as many submissions as they need.
    void run(RowProgram program, uint32_t window, std::span<const RowMove> moves);
    [[nodiscard]] float* row(uint32_t index) const;
    [[nodiscard]] uint32_t row_count() const { return layout_.block.rows.shape[0]; }
    void set_weight(float weight);

private:
    [[nodiscard]] std::unique_ptr<Program> compile(RowProgram kind, uint32_t window);

    const SessionLayout& layout_;
    Device& device_;
    std::span<const Window> windows_;
    Memory& io_;
    std::map<std::pair<RowProgram, uint32_t>, std::unique_ptr<Program>> programs_;
};

} // namespace gramian
