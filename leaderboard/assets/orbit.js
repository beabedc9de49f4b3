"use strict";
// Cameras for the 4D view: those of a clip's views, and one that turns around the scene.  Axes are OpenCV's: x right, y down, z forward.
(function () {
  const add = (a, b, s = 1) => [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]];
  const times = (a, s) => [s * a[0], s * a[1], s * a[2]];
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (a) => times(a, 1 / (Math.hypot(...a) || 1));
  const distance = (a, b) => Math.hypot(...add(a, b, -1));
  const mean = (list) => times(list.reduce((sum, each) => add(sum, each), [0, 0, 0]), 1 / list.length);
  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
  const NEAREST = 0.01; // metres

  /** Return R and t of a view {R, t} in a frame; a moving camera has one of each a frame. */
  const extrinsics = ({ R, t }, frame) => (Array.isArray(R[0][0]) ? [R[frame], t[frame]] : [R, t]);
  const centreOf = ([R, t]) => [0, 1, 2].map((axis) => -(R[0][axis] * t[0] + R[1][axis] * t[1] + R[2][axis] * t[2]));

  /** A camera x_cam = R x + t with its picture: u = (fx x + skew y) / z + cx, v = fy y / z + cy, in pixels of a canvas. */
  class Pinhole {
    constructor([R, t], { fx, fy, skew = 0, cx, cy }) {
      Object.assign(this, { R, t, fx, fy, skew, cx, cy });
    }

    /** Return the camera of a view {K, R, t} of pictures of size [height, width] in a frame, as large as a canvas has room for. */
    static fromView(view, [height, width], frame, room) {
      const s = Math.min(room.width / width, room.height / height), [[fx, skew, cx], [, fy, cy]] = view.K;
      const left = (room.width - s * width) / 2, top = (room.height - s * height) / 2;
      const picture = { fx: s * fx, fy: s * fy, skew: s * skew, cx: left + s * (cx + 0.5), cy: top + s * (cy + 0.5) };
      const camera = new Pinhole(extrinsics(view, frame), picture);
      camera.border = [left, top, s * width, s * height];
      return camera;
    }

    /** Set u, v and the depth z of the point at xyz[i]; return false if it is missing (NaN) or behind the camera. */
    project(xyz, i = 0) {
      const [p, q, r] = this.R, [a, b, c] = this.t, x = xyz[i], y = xyz[i + 1], z = xyz[i + 2];
      this.z = r[0] * x + r[1] * y + r[2] * z + c;
      if (!(this.z > NEAREST)) return false;
      const right = p[0] * x + p[1] * y + p[2] * z + a, down = q[0] * x + q[1] * y + q[2] * z + b;
      this.u = (this.fx * right + this.skew * down) / this.z + this.cx;
      this.v = (this.fy * down) / this.z + this.cy;
      return true;
    }
  }

  /** A camera that turns around the centre of points; at first it stands a little beside the mean of the views' cameras. */
  class Orbit {
    /** points: a list of [x, y, z], metres; views: [{R, t}], of which the mean "up" is up here. */
    constructor(points, views) {
      const poses = views.map((view) => extrinsics(view, 0)), centres = poses.map(centreOf);
      const middle = mean(points), radius = points.reduce((most, point) => Math.max(most, distance(point, middle)), 0.01);
      const centre = mean([middle, mean(centres)]), wide = Math.max(...[middle, ...centres].map((each) => distance(each, centre)));
      this.places = { near: { target: middle, distance: 2.4 * radius }, far: { target: centre, distance: 2.2 * wide } };
      this.frustumDepth = 0.15 * wide;
      this.stand("near");
      this.up = unit(times(mean(poses.map(([R]) => R[1])), -1));
      const back = add(mean(centres), middle, -1);
      this.side = unit(cross(back, this.up));
      this.front = cross(this.up, this.side);
      this.lookFrom(mean(centres));
      this.turn(0.35, 0.15);
    }

    /** Look at all points (``near``), or at all cameras, too (``far``). */
    stand(place) {
      Object.assign(this, this.places[place]);
    }

    turn(azimuth, elevation) {
      this.azimuth += azimuth;
      this.elevation = clamp(this.elevation + elevation, -1.5, 1.5);
    }

    zoom(factor) {
      this.distance = clamp(this.distance * factor, 0.2 * this.places.near.distance, 3 * this.places.far.distance);
    }

    /** Stand in the direction of a point in the world. */
    lookFrom(point) {
      const away = unit(add(point, this.target, -1));
      this.azimuth = Math.atan2(dot(away, this.side), dot(away, this.front));
      this.elevation = Math.asin(clamp(dot(away, this.up), -1, 1));
    }

    camera({ width, height }) {
      const { side, front, up, azimuth, elevation } = this;
      const level = add(times(front, Math.cos(azimuth)), side, Math.sin(azimuth));
      const away = add(times(level, Math.cos(elevation)), up, Math.sin(elevation));
      const centre = add(this.target, away, this.distance), forward = times(away, -1);
      const right = unit(cross(forward, up)), R = [right, cross(forward, right), forward];
      const f = 1.3 * Math.min(width, height);
      return new Pinhole([R, R.map((axis) => -dot(axis, centre))], { fx: f, fy: f, cx: width / 2, cy: height / 2 });
    }
  }

  /** Return the lines [from, to] of a view's frustum at some depth: its four edges and the picture's border. */
  function frustum(view, [height, width], frame, depth) {
    const pose = extrinsics(view, frame), [R] = pose, centre = centreOf(pose), [[fx, skew, cx], [, fy, cy]] = view.K;
    const corners = [[0, 0], [width, 0], [width, height], [0, height]].map(([u, v]) => {
      const y = (v - 0.5 - cy) / fy, x = (u - 0.5 - cx - skew * y) / fx;
      return [0, 1, 2].map((axis) => centre[axis] + depth * (R[0][axis] * x + R[1][axis] * y + R[2][axis]));
    });
    return [...corners.map((corner) => [centre, corner]), ...corners.map((corner, n) => [corner, corners[(n + 1) % 4]])];
  }

  const cameraCentre = (view, frame) => centreOf(extrinsics(view, frame));
  Object.assign(hoibench, { Pinhole, Orbit, frustum, cameraCentre });
})();
