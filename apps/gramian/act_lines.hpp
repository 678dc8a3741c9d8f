// The lines that `gramian act` takes: reading them one by one without ever holding more than one, and making out what
// each of them asks for. Neither knows a model beyond the sizes it was told.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace gramian::app {

constexpr size_t kMaxLineBytes = size_t{1} << 20;

/// A line that asks for nothing sensible: says what was expected and what was found, without the line's number.
class LineError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct ActLine {
    enum class Kind { act, teach, reset };

    Kind kind = Kind::act;
    uint32_t stream = 0;
    std::vector<float> observation; // act, teach
    std::vector<float> target;      // teach
};

struct ActSizes {
    size_t observation = 0;
    size_t target = 0; // 0: the model cannot be taught
    uint32_t streams = 1;
};

/// Takes `[1, 2]`, `1, 2`, or an object of `observation`, `target`, `stream` and `reset`, and nothing else. Numbers
/// are finite in fp32. Throws LineError.
ActLine parse_act_line(std::string_view line, const ActSizes& sizes);

/// True for a line of nothing but spaces.
bool is_blank(std::string_view line);

/// Lines from a file descriptor as they arrive. Stops early when the process is told to (SIGINT, SIGTERM: blocked from
/// construction to destruction) or when nobody reads standard output any more.
class LineReader {
public:
    enum class Found { line, too_long, end, stop };

    explicit LineReader(int descriptor);
    ~LineReader();
    LineReader(const LineReader&) = delete;
    LineReader& operator=(const LineReader&) = delete;

    /// Waits for the next line and puts it there without its newline; the last one may lack it. A line of more than
    /// kMaxLineBytes is skipped. Throws std::runtime_error when the descriptor cannot be read.
    Found next(std::string& line);

private:
    [[nodiscard]] bool is_told_to_stop(bool may_wait) const;
    bool fill();

    int descriptor_;
    int signals_;
    std::string buffer_;
    size_t begin_ = 0; // of what is not yet handed out
    bool is_at_end_ = false;
};

} // namespace gramian::app
