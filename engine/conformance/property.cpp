#include "conformance/property.hpp"

#include "base/hash.hpp"
#include "conformance/checks.hpp"
#include "conformance/run_case.hpp"

#include <algorithm>
#include <cctype>

namespace gramian {
namespace {

thread_local Trial* current = nullptr;

std::vector<Case>& registered()
{
    static std::vector<Case> cases;
    return cases;
}

size_t rank_of(std::string_view family)
{
    constexpr std::string_view kOrder[] = {"math", "state", "api", "file", "agents", "soak", "limits"};
    return static_cast<size_t>(std::ranges::find(kOrder, family) - std::begin(kOrder));
}

/// "softmax attention: scale 0 gives" as "softmax_attention.scale_0_gives".
std::string dotted(std::string_view name)
{
    std::string text;
    for (const char letter : name) {
        const auto byte = static_cast<unsigned char>(letter);
        if (std::isalnum(byte)) {
            text += static_cast<char>(std::tolower(byte));
        } else if (letter == ':') {
            text += '.';
        } else if (!text.empty() && text.back() != '_' && text.back() != '.') {
            text += '_';
        }
    }
    while (!text.empty() && (text.back() == '_' || text.back() == '.')) text.pop_back();
    return text;
}

} // namespace

void Trial::check(bool holds, const std::function<std::string()>& what)
{
    ++checks_;
    if (holds || ++failures_ > 1) return;
    failure_ = what();
    for (const auto& capture : captured) failure_ += "; " + capture();
}

void Trial::measure(double observed, double allowed)
{
    if (allowed <= 0 || observed < 0) return;
    if (allowed_ > 0 && observed / allowed <= observed_ / allowed_) return;
    observed_ = observed;
    allowed_ = allowed;
}

void Trial::note(std::span<const float> values)
{
    bits_ = hash_bytes(std::as_bytes(values), bits_);
}

Trial& trial()
{
    assert(current && "a property runs");
    return *current;
}

void run_property(const std::function<void()>& body, Trial& on)
{
    struct Running {
        Trial* before = current;
        explicit Running(Trial& now) { current = &now; }
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;
        ~Running() { current = before; }
    };
    const Running running(on);
    try {
        body();
    } catch (const RequiredCheckFailed&) { // NOLINT(bugprone-empty-catch): the trial knows
    }
}

int add_property(std::string_view family, std::string_view name, void (*body)())
{
    Case test;
    test.name = fmt::format("{}.{}", family, dotted(name));
    test.family = family;
    test.op = family;
    test.property = body;
    test.is_quick = false;
    registered().push_back(std::move(test));
    return 0;
}

std::vector<Case> property_cases()
{
    std::vector<Case> cases = registered();
    std::ranges::sort(cases, [](const Case& a, const Case& b) {
        return std::pair(rank_of(a.family), a.name) < std::pair(rank_of(b.family), b.name);
    });
    return cases;
}

} // namespace gramian
