#include "picture_scene.hpp"
#include "record.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>
#include <stdexcept>
#include <unordered_map>

namespace gramian::app {
namespace {

constexpr int kFrameCs = 5;       // 20 frames a second, in the unit of the format
constexpr int kLastFrameCs = 250; // the end stays long enough to read the returns
constexpr double kTrailSeconds = 0.6;
constexpr std::size_t kInstants = 8;

struct GdDeleter {
    void operator()(void* data) const noexcept { gdFree(data); }
};
using GdBytes = std::unique_ptr<void, GdDeleter>;

struct ContextDeleter {
    void operator()(gdIOCtx* context) const noexcept { context->gd_free(context); }
};

const RecordedEpisode& first_episode(const Recording& recording)
{
    if (recording.episodes.empty() || recording.episodes.front().panes.empty()) {
        throw std::runtime_error("a recording without episodes has no picture");
    }
    return recording.episodes.front();
}

std::string ratio_text(const RecordedEpisode& episode, std::size_t place)
{
    if (place == 0 || !std::isfinite(episode.panes[place].teacher_ratio)) return "";
    return fmt::format("{:.2f} of {}", episode.panes[place].teacher_ratio, episode.panes.front().label);
}

std::string ended_text(const RecordedPane& pane, double period_s)
{
    return fmt::format("left the track at {:.2f} s", static_cast<double>(step_count(pane)) * period_s);
}

/// A frame in the palette's colours, by rows.
using Pixels = std::vector<unsigned char>;

/// Every frame shares one palette, so nothing flickers and what did not change costs next to nothing.
class Palette {
public:
    explicit Palette(std::size_t pane_count)
    {
        constexpr Ink kCommon[] = {kTextInk, kMutedInk, kRailInk, kCartInk, kWarnInk};
        const std::size_t panes = std::min(pane_count, std::size(kPaneInks));
        // Shades of each ink from paper to full, for smooth edges: as many as 256 colours hold.
        const int shades = 254 / static_cast<int>(std::size(kCommon) + panes);
        colours_.push_back({255, 0, 255}); // kUnchanged; never the nearest
        colours_.push_back(kPaper);
        for (const Ink ink : kCommon) add(ink, shades);
        for (std::size_t place = 0; place < panes; ++place) add(pane_ink(place), shades);
    }

    static constexpr unsigned char kUnchanged = 0; // the transparent colour: shows the previous frame

    Pixels reduced(const Bitmap& frame)
    {
        Pixels result;
        result.reserve(static_cast<std::size_t>(gdImageSX(frame)) * static_cast<std::size_t>(gdImageSY(frame)));
        for (int y = 0; y < gdImageSY(frame); ++y) {
            for (int x = 0; x < gdImageSX(frame); ++x) result.push_back(nearest(gdImageTrueColorPixel(frame, x, y)));
        }
        return result;
    }

    [[nodiscard]] Bitmap empty(int width, int height) const
    {
        Bitmap result(gdImageCreate(width, height));
        if (!result) throw std::runtime_error("out of memory for a picture");
        for (const Ink colour : colours_) gdImageColorAllocate(result.get(), colour.red, colour.green, colour.blue);
        gdImageColorTransparent(result.get(), kUnchanged);
        return result;
    }

private:
    void add(Ink ink, int shades)
    {
        for (int shade = 1; shade <= shades; ++shade) {
            colours_.push_back(mixed(ink, kPaper, static_cast<double>(shade) / shades));
        }
    }

    unsigned char nearest(int pixel)
    {
        const auto [found, is_new] = nearest_.try_emplace(pixel, static_cast<unsigned char>(0));
        if (!is_new) return found->second;
        int best = 3 * 256 * 256;
        for (std::size_t k = 1; k < colours_.size(); ++k) {
            const int red = colours_[k].red - gdTrueColorGetRed(pixel);
            const int green = colours_[k].green - gdTrueColorGetGreen(pixel);
            const int blue = colours_[k].blue - gdTrueColorGetBlue(pixel);
            const int distance = red * red + green * green + blue * blue;
            if (distance >= best) continue;
            best = distance;
            found->second = static_cast<unsigned char>(k);
        }
        return found->second;
    }

    std::vector<Ink> colours_;
    std::unordered_map<int, unsigned char> nearest_;
};

/// The smallest part of a frame that holds every change, and where it lies.
struct Change {
    Bitmap image;
    int left = 0;
    int top = 0;
};

/// gd can look for changes itself, but stores the whole rectangle around them: five times the bytes.
Change change_between(const Pixels& before, const Pixels& now, int width, const Palette& palette)
{
    const int height = static_cast<int>(now.size()) / width;
    const auto has_changed = [&](std::size_t k) { return before.empty() || before[k] != now[k]; };
    int left = width, right = -1, top = height, bottom = -1;
    for (int k = 0; k < width * height; ++k) {
        if (!has_changed(static_cast<std::size_t>(k))) continue;
        left = std::min(left, k % width);
        right = std::max(right, k % width);
        top = std::min(top, k / width);
        bottom = std::max(bottom, k / width);
    }
    if (right < 0) left = right = top = bottom = 0; // a frame cannot be empty
    Change change{palette.empty(right - left + 1, bottom - top + 1), left, top};
    for (int y = top; y <= bottom; ++y) {
        for (int x = left; x <= right; ++x) {
            const auto k = static_cast<std::size_t>(y * width + x);
            gdImagePalettePixel(change.image, x - left, y - top) = has_changed(k) ? now[k] : Palette::kUnchanged;
        }
    }
    return change;
}

/// One pane of the animation: label, scene, return so far, share of the teacher's, chart.
void draw_pane(Canvas& canvas, const Box& box, const Recording& recording, std::size_t place, double step)
{
    const RecordedEpisode& episode = first_episode(recording);
    const RecordedPane& pane = episode.panes[place];
    const Pose pose = pose_at(pane, step);
    const Ink ink = pane_ink(place);
    const double right = box.left + box.width;
    canvas.box({box.left, box.top, 9, 9}, 2, ink);
    canvas.text({box.left + 15, box.top + 9}, pane.label, {12.5, kTextInk, true}, box.width - 15);
    const double trail = kTrailSeconds / recording.period_s;
    draw_scene(canvas, {box.left, box.top + 16, box.width, 98}, episode, pane, step, trail, ink);
    if (pose.has_ended) {
        const TextStyle style{10.5, kWarnInk, false, Side::centre};
        canvas.text({box.left + box.width / 2, box.top + 113}, ended_text(pane, recording.period_s), style);
    }
    const bool is_over = step >= static_cast<double>(step_count(pane)) - 1;
    const std::string sum = fmt::format("{:.1f}", is_over ? pane.total_return : return_at(pane, step));
    const TextStyle number{17, kTextInk, true};
    canvas.text({box.left, box.top + 136}, sum, number);
    canvas.text({box.left + canvas.text_width(sum, number) + 5, box.top + 136}, "return", {10.5, kMutedInk});
    const TextStyle small{10.5, kMutedInk, false, Side::right};
    const std::string ratio = ratio_text(episode, place);
    const double room = box.width - canvas.text_width(sum, number) - canvas.text_width("return", small) - 15;
    if (canvas.text_width(ratio, small) <= room) canvas.text({right, box.top + 136}, ratio, small);
    draw_angle_chart(canvas, {box.left, box.top + 147, box.width, 34}, episode, pane, step, ink);
}

Bitmap animation_frame(const Recording& recording, double step)
{
    constexpr double kWidth = 880, kHeight = 246, kMargin = 14, kGap = 18;
    const RecordedEpisode& episode = first_episode(recording);
    const double count = static_cast<double>(episode.panes.size());
    const double width = (kWidth - 2 * kMargin - (count - 1) * kGap) / count;
    Canvas canvas(kWidth, kHeight, 1, kPaper);
    const std::string time = fmt::format("{:.2f} s", (step + 1) * recording.period_s);
    canvas.text({kMargin, 22}, recording.title, {14, kTextInk, true}, kWidth - 2 * kMargin - 80);
    canvas.text({kWidth - kMargin, 22}, time, {13, kTextInk, false, Side::right});
    canvas.text({kMargin, 39}, episode.caption, {11, kMutedInk}, kWidth - 2 * kMargin);
    for (std::size_t place = 0; place < episode.panes.size(); ++place) {
        const double left = kMargin + static_cast<double>(place) * (width + kGap);
        draw_pane(canvas, {left, 54, width, kHeight - 54}, recording, place, step);
    }
    return canvas.bitmap();
}

/// Instants lie closer together at the start, where the swing-up happens; the heading tells their times.
double instant_share(std::size_t k)
{
    return std::pow(static_cast<double>(k) / (kInstants - 1), 1.5);
}

/// One row of the contact sheet: who, how much, and the instants.
void draw_row(Canvas& canvas, const Box& box, const Recording& recording, std::size_t place, double heading_width)
{
    const RecordedEpisode& episode = first_episode(recording);
    const RecordedPane& pane = episode.panes[place];
    const Ink ink = pane_ink(place);
    const double middle = box.top + box.height / 2, last = static_cast<double>(step_count(episode)) - 1;
    canvas.line({box.left, box.top}, {box.left + box.width, box.top}, 0.8, kHairInk);
    canvas.box({box.left, middle - 26, 9, 9}, 2, ink);
    canvas.text({box.left + 15, middle - 17}, pane.label, {12.5, kTextInk, true}, heading_width - 25);
    canvas.text({box.left + 15, middle + 6}, fmt::format("{:.1f}", pane.total_return), {17, kTextInk, true});
    canvas.text({box.left + 15, middle + 22}, ratio_text(episode, place), {10.5, kMutedInk});
    if (step_count(pane) < step_count(episode)) {
        canvas.text({box.left + 15, middle + 37}, ended_text(pane, recording.period_s), {9.5, kWarnInk});
    }
    const double width = (box.width - heading_width) / kInstants;
    for (std::size_t k = 0; k < kInstants; ++k) {
        const double left = box.left + heading_width + static_cast<double>(k) * width;
        const double step = last * instant_share(k);
        draw_scene(canvas, {left + 4, box.top + 6, width - 8, box.height - 12}, episode, pane, step,
                   kTrailSeconds / recording.period_s, ink);
    }
}

Bitmap contact_sheet(const Recording& recording)
{
    constexpr double kWidth = 1160, kMargin = 18, kTop = 86, kHeading = 164;
    const RecordedEpisode& episode = first_episode(recording);
    const double cell = (kWidth - 2 * kMargin - kHeading) / kInstants;
    // As high as the poles need at the width's scale, within what a page bears.
    const double reach = (4 * episode.half_length + 0.5) / (2 * episode.track_half_width + 0.9);
    const double row = std::clamp((cell - 8) * reach + 12, 84.0, 170.0);
    Canvas canvas(kWidth, kTop + row * static_cast<double>(episode.panes.size()) + 8, 2, kPaper);
    canvas.text({kMargin, 30}, recording.title, {16, kTextInk, true}, kWidth - 2 * kMargin);
    canvas.text({kMargin, 50}, episode.caption, {11.5, kMutedInk}, kWidth - 2 * kMargin);
    const double last = static_cast<double>(step_count(episode)) - 1;
    canvas.text({kMargin + 15, kTop - 8}, "return", {10.5, kMutedInk});
    for (std::size_t k = 0; k < kInstants; ++k) {
        const double time = (1 + last * instant_share(k)) * recording.period_s;
        const double centre = kMargin + kHeading + (static_cast<double>(k) + 0.5) * cell;
        canvas.text({centre, kTop - 8}, fmt::format("{:.1f} s", time), {10.5, kMutedInk, false, Side::centre});
    }
    for (std::size_t place = 0; place < episode.panes.size(); ++place) {
        const double top = kTop + row * static_cast<double>(place);
        draw_row(canvas, {kMargin, top, kWidth - 2 * kMargin, row}, recording, place, kHeading);
    }
    return canvas.bitmap();
}

std::string_view view_of(const GdBytes& bytes, int size)
{
    if (!bytes || size <= 0) throw std::runtime_error("out of memory for a picture");
    return {static_cast<const char*>(bytes.get()), static_cast<std::size_t>(size)};
}

void require_period(const Recording& recording)
{
    if (!(recording.period_s > 0)) throw std::runtime_error("a recording needs a period above 0 s");
}

} // namespace

void write_gif(const Recording& recording, const std::filesystem::path& path)
{
    require_period(recording);
    const double last = static_cast<double>(std::max<std::size_t>(1, step_count(first_episode(recording)))) - 1;
    const std::unique_ptr<gdIOCtx, ContextDeleter> out(gdNewDynamicCtx(1 << 20, nullptr));
    if (!out) throw std::runtime_error("out of memory for a picture");
    Palette palette(first_episode(recording).panes.size());
    Pixels before;
    for (double step = 0, next = 0;; step = next) {
        next = std::min(last, step + kFrameCs / 100.0 / recording.period_s);
        const Bitmap frame = animation_frame(recording, step);
        Pixels now = palette.reduced(frame);
        const Change change = change_between(before, now, gdImageSX(frame), palette);
        if (before.empty()) gdImageGifAnimBeginCtx(change.image.get(), out.get(), 1, 0);
        const int delay = step < last ? kFrameCs : kLastFrameCs;
        gdImageGifAnimAddCtx(change.image.get(), out.get(), 0, change.left, change.top, delay, gdDisposalNone, nullptr);
        before = std::move(now);
        if (step >= last) break;
    }
    gdImageGifAnimEndCtx(out.get());
    int size = 0;
    const GdBytes bytes(gdDPExtractData(out.get(), &size));
    replace_file(path, view_of(bytes, size));
}

void write_png(const Recording& recording, const std::filesystem::path& path)
{
    require_period(recording);
    const Bitmap sheet = contact_sheet(recording);
    int size = 0;
    const GdBytes bytes(gdImagePngPtrEx(sheet.get(), &size, 9));
    replace_file(path, view_of(bytes, size));
}

} // namespace gramian::app
