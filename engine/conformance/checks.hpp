// CHECK and its like for properties that run as cases. The part of doctest's macros that the tests' sources use; a
// comparison of two numbers, `error < 1e-5`, also says how much of what it allows was used up.
#pragma once

#include "conformance/property.hpp"

#include <cmath>
#include <fmt/format.h>
#include <sstream>

namespace gramian {

struct RequiredCheckFailed {};

/// Equal up to a share, 1e-5 at first, of the larger magnitude plus one.
class Approx {
public:
    explicit Approx(double value) : value_(value) {}
    Approx& epsilon(double share)
    {
        share_ = share;
        return *this;
    }
    friend bool operator==(double found, const Approx& expected)
    {
        return std::abs(found - expected.value_) <
               expected.share_ * (1 + std::max(std::abs(found), std::abs(expected.value_)));
    }
    [[nodiscard]] double value() const { return value_; }

private:
    double value_;
    double share_ = 1e-5;
};

namespace checks {

template <class Value>
std::string text_of(const Value& value)
{
    if constexpr (std::is_same_v<Value, Approx>) {
        return fmt::format("about {}", value.value());
    } else if constexpr (std::is_enum_v<Value>) {
        return fmt::format("{}", static_cast<int64_t>(value));
    } else if constexpr (std::is_arithmetic_v<Value> || std::is_convertible_v<Value, std::string_view>) {
        return fmt::format("{}", value);
    } else {
        return "…";
    }
}

struct Outcome {
    bool holds;
    std::string found; // only where it does not hold
};

// A test compares sizes with literals.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wconversion"
template <class Left>
class Compared {
public:
    explicit Compared(const Left& left) : left_(left) {}

    template <class Right>
    Outcome operator<(const Right& right) const
    {
        if constexpr (std::is_floating_point_v<Left> && std::is_arithmetic_v<Right>) {
            trial().measure(static_cast<double>(left_), static_cast<double>(right));
        }
        return outcome(left_ < right, "<", right);
    }
    template <class Right>
    Outcome operator<=(const Right& right) const
    {
        return outcome(left_ <= right, "<=", right);
    }
    template <class Right>
    Outcome operator>(const Right& right) const
    {
        return outcome(left_ > right, ">", right);
    }
    template <class Right>
    Outcome operator>=(const Right& right) const
    {
        return outcome(left_ >= right, ">=", right);
    }
    template <class Right>
    Outcome operator==(const Right& right) const
    {
        return outcome(left_ == right, "==", right);
    }
    template <class Right>
    Outcome operator!=(const Right& right) const
    {
        return outcome(left_ != right, "!=", right);
    }
    operator Outcome() const // NOLINT(google-explicit-constructor): a check of a plain truth
    {
        return {static_cast<bool>(left_), {}};
    }

private:
    template <class Right>
    Outcome outcome(bool holds, const char* sign, const Right& right) const
    {
        if (holds) return {true, {}};
        return {false, fmt::format(", found {} {} {}", text_of(left_), sign, text_of(right))};
    }
    const Left& left_;
};
#pragma GCC diagnostic pop

struct Compare {
    template <class Left>
    Compared<Left> operator<<(const Left& left) const
    {
        return Compared<Left>(left);
    }
};

inline bool check(const Outcome& outcome, bool expected, const char* file, int line, const char* text)
{
    const bool holds = outcome.holds == expected;
    trial().check(holds, [&] {
        const std::string_view path(file);
        return fmt::format("{}:{}: expected{} {}{}", path.substr(path.rfind('/') + 1), line, expected ? "" : " not",
                           text, outcome.found);
    });
    return holds;
}

inline void require(bool holds)
{
    if (!holds) throw RequiredCheckFailed();
}

struct Captured {
    explicit Captured(std::function<std::string()> text) { trial().captured.push_back(std::move(text)); }
    Captured(const Captured&) = delete;
    Captured& operator=(const Captured&) = delete;
    ~Captured() { trial().captured.pop_back(); }
};

} // namespace checks
} // namespace gramian

// clang-format off
#define GRAMIAN_JOIN_(a, b) a##b
#define GRAMIAN_JOIN(a, b) GRAMIAN_JOIN_(a, b)
#define GRAMIAN_CHECKED(expected, text, ...) \
    ::gramian::checks::check(::gramian::checks::Compare() << __VA_ARGS__, expected, __FILE__, __LINE__, text)

#define CHECK(...) (void)GRAMIAN_CHECKED(true, #__VA_ARGS__, __VA_ARGS__)
#define CHECK_FALSE(...) (void)GRAMIAN_CHECKED(false, #__VA_ARGS__, __VA_ARGS__)
#define REQUIRE(...) ::gramian::checks::require(GRAMIAN_CHECKED(true, #__VA_ARGS__, __VA_ARGS__))
#define FAIL_CHECK(words) \
    do { \
        std::ostringstream stream_; \
        stream_ << words; \
        (void)::gramian::checks::check({false, ""}, true, __FILE__, __LINE__, stream_.str().c_str()); \
    } while (false)
#define FAIL(words) \
    do { \
        FAIL_CHECK(words); \
        throw ::gramian::RequiredCheckFailed(); \
    } while (false)
#define CHECK_NOTHROW(...) \
    try { \
        __VA_ARGS__; \
        (void)::gramian::checks::check({true, ""}, true, __FILE__, __LINE__, #__VA_ARGS__); \
    } catch (const std::exception& error_) { \
        (void)::gramian::checks::check({false, std::string(": ") + error_.what()}, true, __FILE__, __LINE__, \
                                       #__VA_ARGS__); \
    } \
    static_assert(true)
#define CHECK_THROWS_AS(action, kind) \
    try { \
        (void)(action); \
        FAIL_CHECK(#action " accepted"); \
    } catch (const kind&) { \
        (void)::gramian::checks::check({true, ""}, true, __FILE__, __LINE__, #action); \
    } \
    static_assert(true)
#define CAPTURE(value) \
    const ::gramian::checks::Captured GRAMIAN_JOIN(captured_, __LINE__)( \
        [&] { return std::string(#value " ") + ::gramian::checks::text_of(value); })
#define TEST_CASE(name) \
    static void GRAMIAN_JOIN(property_, __LINE__)(); \
    [[maybe_unused]] static const int GRAMIAN_JOIN(added_, __LINE__) = \
        ::gramian::add_property(GRAMIAN_FAMILY, name, GRAMIAN_JOIN(property_, __LINE__)); \
    static void GRAMIAN_JOIN(property_, __LINE__)()
// clang-format on
