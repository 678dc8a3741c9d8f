#include "picture_canvas.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <gdfontmb.h>
#include <gdfonts.h>
#include <stdexcept>
#include <utility>

namespace gramian::app {
namespace {

constexpr int kOversampling = 3; // per direction: nine grey levels suffice for edges this slanted

Bitmap new_bitmap(int width, int height)
{
    Bitmap bitmap(gdImageCreateTrueColor(width, height));
    if (!bitmap) throw std::runtime_error("out of memory for a picture");
    return bitmap;
}

int true_colour(Ink ink)
{
    return gdTrueColor(ink.red, ink.green, ink.blue);
}

/// Draws (or, with no image, only measures) text at bitmap resolution; false when there is no font to do it with.
bool draw_outline_text(gdImage* image, Spot at, const std::string& text, double pixels, const TextStyle& style,
                       std::array<int, 8>& corners)
{
    std::string font = style.is_bold ? "DejaVu Sans,sans-serif:bold" : "DejaVu Sans,sans-serif";
    std::string content = text;
    gdFTStringExtra extra{};
    extra.flags = gdFTEX_FONTCONFIG | gdFTEX_RESOLUTION;
    extra.hdpi = extra.vdpi = 72; // a point is a pixel
    return gdImageStringFTEx(image, corners.data(), true_colour(style.ink), font.data(), pixels, 0,
                             static_cast<int>(std::lround(at.x)), static_cast<int>(std::lround(at.y)), content.data(),
                             &extra) == nullptr;
}

gdFontPtr bitmap_font(const TextStyle& style)
{
    return style.is_bold ? gdFontGetMediumBold() : gdFontGetSmall();
}

/// The text in ASCII, all that the bitmap fonts share with UTF-8.
std::string plain(const std::string& text)
{
    constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {{"±", "+-"},  {"·", "-"}, {"×", "x"},
                                                                            {"…", "..."}, {"−", "-"}, {"–", "-"}};
    std::string result;
    for (std::size_t k = 0; k < text.size();) {
        const std::string_view rest = std::string_view(text).substr(k);
        std::size_t length = 1;
        while (length < rest.size() && (static_cast<unsigned char>(rest[length]) & 0xc0) == 0x80) ++length;
        const std::string_view letter = rest.substr(0, length);
        const auto known = std::find_if(std::begin(kSpellings), std::end(kSpellings),
                                        [letter](const auto& spelling) { return spelling.first == letter; });
        if (known != std::end(kSpellings)) {
            result += known->second;
        } else {
            result += length == 1 ? letter : "?";
        }
        k += length;
    }
    return result;
}

double width_in_pixels(const std::string& text, double pixels, const TextStyle& style)
{
    std::array<int, 8> corners{};
    if (draw_outline_text(nullptr, {}, text, pixels, style, corners)) return corners[2] - corners[0];
    return static_cast<double>(plain(text).size()) * bitmap_font(style)->w;
}

} // namespace

Ink mixed(Ink ink, Ink ground, double share)
{
    const auto blend = [share](int a, int b) { return static_cast<int>(std::lround(share * a + (1 - share) * b)); };
    return {blend(ink.red, ground.red), blend(ink.green, ground.green), blend(ink.blue, ground.blue)};
}

Canvas::Canvas(double width, double height, int scale, Ink ground)
    : scale_(scale), large_(new_bitmap(static_cast<int>(std::lround(width * scale)) * kOversampling,
                                       static_cast<int>(std::lround(height * scale)) * kOversampling))
{
    gdImageFilledRectangle(large_.get(), 0, 0, gdImageSX(large_) - 1, gdImageSY(large_) - 1, true_colour(ground));
}

int Canvas::large(double length) const
{
    return static_cast<int>(std::lround(length * scale_ * kOversampling));
}

void Canvas::clip(const Box& box)
{
    if (box.width <= 0) return gdImageSetClip(large_.get(), 0, 0, gdImageSX(large_) - 1, gdImageSY(large_) - 1);
    gdImageSetClip(large_.get(), large(box.left), large(box.top), large(box.left + box.width) - 1,
                   large(box.top + box.height) - 1);
}

void Canvas::line(Spot from, Spot to, double width, Ink ink)
{
    const double length = std::hypot(to.x - from.x, to.y - from.y);
    disc(from, width / 2, ink);
    disc(to, width / 2, ink);
    if (length == 0) return;
    const double across_x = -(to.y - from.y) / length * width / 2;
    const double across_y = (to.x - from.x) / length * width / 2;
    std::array<gdPoint, 4> corners{{{large(from.x + across_x), large(from.y + across_y)},
                                    {large(to.x + across_x), large(to.y + across_y)},
                                    {large(to.x - across_x), large(to.y - across_y)},
                                    {large(from.x - across_x), large(from.y - across_y)}}};
    gdImageFilledPolygon(large_.get(), corners.data(), static_cast<int>(corners.size()), true_colour(ink));
}

void Canvas::path(const std::vector<Spot>& spots, double width, Ink ink)
{
    for (std::size_t k = 1; k < spots.size(); ++k) line(spots[k - 1], spots[k], width, ink);
}

void Canvas::disc(Spot centre, double radius, Ink ink)
{
    const int diameter = large(2 * radius);
    gdImageFilledEllipse(large_.get(), large(centre.x), large(centre.y), diameter, diameter, true_colour(ink));
}

void Canvas::box(const Box& box, double corner_radius, Ink ink)
{
    const double r = corner_radius, right = box.left + box.width, bottom = box.top + box.height;
    const auto fill = [&](double left, double top, double to_x, double to_y) {
        gdImageFilledRectangle(large_.get(), large(left), large(top), large(to_x) - 1, large(to_y) - 1,
                               true_colour(ink));
    };
    fill(box.left + r, box.top, right - r, bottom);
    fill(box.left, box.top + r, right, bottom - r);
    if (r <= 0) return;
    for (const double x : {box.left + r, right - r}) {
        for (const double y : {box.top + r, bottom - r}) disc({x, y}, r, ink);
    }
}

void Canvas::text(Spot baseline, std::string_view text, const TextStyle& style, double max_width)
{
    std::string shown(text);
    while (max_width > 0 && !text.empty() && text_width(shown, style) > max_width) {
        // Drop one code point: its continuation bytes, then its first byte.
        while (text.size() > 1 && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.remove_suffix(1);
        text.remove_suffix(1);
        shown = std::string(text) + "…";
    }
    labels_.push_back({baseline, std::move(shown), style});
}

double Canvas::text_width(const std::string& text, const TextStyle& style) const
{
    return width_in_pixels(text, style.size * scale_, style) / scale_;
}

Bitmap Canvas::bitmap() const
{
    const int width = gdImageSX(large_) / kOversampling;
    const int height = gdImageSY(large_) / kOversampling;
    Bitmap result = new_bitmap(width, height);
    constexpr int kCount = kOversampling * kOversampling;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            int red = kCount / 2, green = kCount / 2, blue = kCount / 2; // rounds to nearest
            for (int k = 0; k < kCount; ++k) {
                const int pixel = gdImageTrueColorPixel(large_, x * kOversampling + k % kOversampling,
                                                        y * kOversampling + k / kOversampling);
                red += gdTrueColorGetRed(pixel);
                green += gdTrueColorGetGreen(pixel);
                blue += gdTrueColorGetBlue(pixel);
            }
            gdImageTrueColorPixel(result, x, y) = gdTrueColor(red / kCount, green / kCount, blue / kCount);
        }
    }
    for (const Label& label : labels_) {
        const double pixels = label.style.size * scale_;
        const double length = width_in_pixels(label.text, pixels, label.style);
        const double part = label.style.side == Side::left ? 0 : label.style.side == Side::right ? 1 : 0.5;
        const Spot at{label.baseline.x * scale_ - part * length, label.baseline.y * scale_};
        std::array<int, 8> corners{};
        if (draw_outline_text(result.get(), at, label.text, pixels, label.style, corners)) continue;
        std::string letters = plain(label.text);
        const gdFontPtr font = bitmap_font(label.style);
        gdImageString(result.get(), font, static_cast<int>(at.x), static_cast<int>(at.y) - font->h * 3 / 4,
                      reinterpret_cast<unsigned char*>(letters.data()), true_colour(label.style.ink));
    }
    return result;
}

} // namespace gramian::app
